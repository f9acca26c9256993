"""Run by Alembic; the chassis knows how."""

from chassis.migrations import run_environment

run_environment()
