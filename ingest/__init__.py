"""Cameras in, frames out: one process per camera."""
