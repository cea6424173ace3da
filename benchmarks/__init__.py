"""Benchmarks: ratios within one run, medians, the machine printed. Never part of the tests."""
