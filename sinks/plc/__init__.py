"""What the PLC is told: what a verdict is worth to it, the registers, the line's health.

Nothing here waits for the store or for another output.
"""
