"""Scoring: what we believe about each customer, with reasons, and when acting on it pays."""
