"""Migrations of the gateway's own database."""
