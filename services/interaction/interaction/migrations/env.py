"""Alembic's entry: runs inside the connection that the chassis opened."""

from chassis.migrations import run_environment

run_environment()
