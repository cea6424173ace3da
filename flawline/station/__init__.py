"""A running station: its processes, started in order, watched, restarted and stopped.

What the processes do is their own affair.
"""
