"""Make, train, export and measure `flawline-mini`, the small CLIP model of demo and tests.

Order of use: `python -m tools.mini.data`, `.train`, `.export`, `.evaluate`.
"""
