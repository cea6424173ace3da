"""From pixels to features: how a crop is tiled, its windows, and the towers that look.

No words, no references and no scores: see `scoring`.
"""
