"""Keeps the book and tells PLC, MES, store and metrics.

The way of a verdict: `hub` reads it from the socket, `arrival` tells a redelivery from a first
arrival and makes it LATE if it is, `fanout` offers it to each output's own thread. An output is a
room: `plc`, `mes`, `evidence`, and `recorder`, which keeps the `ledger` and writes the `store`;
only what is stored is acknowledged. Camera and process messages go from `hub` to the watchers.
`metrics` is told by all.
"""
