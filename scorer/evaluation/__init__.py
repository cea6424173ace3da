"""How good it is on labelled pictures, and why one picture has its score.

The running scorer never imports this room.
"""
