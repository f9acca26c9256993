"""Alembic's entry point."""

from chassis.migrations import run_environment

run_environment()
