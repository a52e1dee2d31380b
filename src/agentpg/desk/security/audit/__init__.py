"""The audit of a server: findings A01 to A56."""
