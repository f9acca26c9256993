"""The use cases of the campaign service: load, decide, store, publish."""
