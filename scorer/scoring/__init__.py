"""From features to scores and maps: equations (1) to (6), with words and reference memories.

Nothing here knows files, cameras or time: memories are kept by `references`.
"""
