"""Schema versions of the event store, applied at the start of the sinks."""
