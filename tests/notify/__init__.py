"""Alerts: what is decided, how it is said, and how it gets to people."""
