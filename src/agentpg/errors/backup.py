"""What can go wrong with backups and with the place where they lie."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.errors.unavailable import DatabaseUnavailable
from agentpg.language import N_


class BackupError(AgentpgError):
    """A backup that could not be made, read, proved or restored."""


class RepositoryError(BackupError):
    """The place where backups lie does not do what it should."""


class RepositoryUnavailable(RepositoryError):
    """It can't be reached, or says no."""

    sentence = N_("the backup repository {place} is not available: {reason}")
    hint = N_("Look at AGENTPG_BACKUP_REPOSITORY and at the rights to it. No backup was changed.")
    exit_code = DatabaseUnavailable.exit_code


class RepositoryFull(RepositoryError):
    """It has no room left."""

    sentence = N_("the backup repository {place} is full: {reason}")
    hint = N_("Make room, or let `agentpg backup prune` show what old backups take.")


class ObjectMissing(RepositoryError):
    """Something is not there that should be."""

    sentence = N_("the backup repository {place} has no {key}")
    hint = N_("`agentpg backup verify` says what a backup lacks.")


class BackupNotFound(BackupError):
    """There is no backup of this name."""

    sentence = N_("there is no backup {name} in {place}")
    hint = N_("`agentpg backup list` shows the backups.")
