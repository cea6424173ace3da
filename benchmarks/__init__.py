"""Benchmarks: ratios within one run, medians, the machine printed. Never part of the tests."""

import scorer.libraries  # noqa: F401  before torch, as a scorer loads it
