"""Stave in one process, on a PostgreSQL of its own, and the `stave` command."""
