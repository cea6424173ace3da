"""Keeps the book and tells PLC, MES, store and metrics."""
