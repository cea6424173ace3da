"""Reference memories from pictures to versions on disk, and their thresholds.

Nothing here scores a stream: which version judges a line's frames is known in `serving`.
"""
