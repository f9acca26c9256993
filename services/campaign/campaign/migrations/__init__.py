"""Migrations of the campaign database."""
