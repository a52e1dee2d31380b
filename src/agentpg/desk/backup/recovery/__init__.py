"""Base backups and the archived WAL: recovering a cluster to a moment."""
