"""The scorer process: which frame goes next, what it costs, what is decided, what is told.

No equation lives here, and no labelled picture: see `scoring` and `evaluation`.
"""
