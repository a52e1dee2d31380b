"""Restoring into a database: whole, in the place of another, or some rows of it."""
