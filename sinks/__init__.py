"""Keeps the book and tells PLC, MES, store and metrics.

The way of a verdict: `hub` reads it from the socket, `receipt` tells a redelivery from a first
arrival and makes it LATE if it is, `fanout` offers it to each sink's own thread:

- `plc`: at once, by way of `result` (merging), `pulse` (health) and `registers` (layout);
- `keeper`: the record. It drafts (`draft`) the next transaction on copies of the books (`book`,
  `intervals`), stores it (`store`, `database`, `schema`, `rows`, `event`), and only then is the
  verdict acknowledged. `ledger` holds the open books, `inbox` what waits, `audit` recounts;
- `webhook`, and `evidence` (pictures by `heatmap`, kept within bounds by `shelf`).

Camera and process messages go from `hub` to the watchers: `keeper`, `pulse` and `liveness`.
`metrics` is told by all.
"""
