"""Backups, proved on real servers."""
