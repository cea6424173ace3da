"""Pictures of verdicts: heatmaps drawn over the crop, filed within bounds of age and size.

The store only knows their paths.
"""
