"""The schema of the interaction database, step by step."""
