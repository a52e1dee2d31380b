"""What is wrong with the backups of an installation: looked at, and judged."""
