"""The demo line: its truth, its run, its summary and its report.

Nothing that a real line needs lives here.
"""
