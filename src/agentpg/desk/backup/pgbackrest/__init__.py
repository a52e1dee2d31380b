"""Backups that pgBackRest makes and keeps, proved by us."""
