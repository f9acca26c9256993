"""The use cases: take behaviour in, score, keep alerts, learn models."""
