"""Verdict events to systems of the plant over HTTP.

What has to be in time for the gate goes through `plc`, not through here.
"""
