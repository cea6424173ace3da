"""The event store: its tables, their migrations, and recounting them.

What goes into a transaction is worked out in `recorder`.
"""
