"""One file per command: what a person types, what is printed, what it exits with.

Scoring, storing and sockets are asked of the other folders, imported when a command is called.
"""
