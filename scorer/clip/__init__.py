"""What a CLIP model is: weights by name or file, the text tower, the words of each preset.

Pictures do not come in here, and neither does anything of a line: see `windows`, `serving`.
"""
