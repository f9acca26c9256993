"""Alembic's entry: the chassis has the connection."""

from chassis.migrations import run_environment

run_environment()
