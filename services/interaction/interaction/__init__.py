"""What happened: every contact and transaction, immutable, deduplicated, in the order of time."""
