"""What Prometheus scrapes: counters that follow the ledger, latencies, who was heard when.

Nothing is decided here, and nothing stored.
"""
