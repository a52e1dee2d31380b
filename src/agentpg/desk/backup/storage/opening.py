"""Choosing the repository that the settings name."""

from __future__ import annotations

from pathlib import Path

from agentpg.desk.backup.storage.bucket import open_bucket
from agentpg.desk.backup.storage.folder import open_folder
from agentpg.desk.backup.storage.repository import Repository
from agentpg.errors import RepositoryUnknown
from agentpg.language import N_
from agentpg.settings import Settings, hide_password

_NO_SCHEME = N_("it is neither a folder nor an address that begins with s3://")
_EMPTY = N_("it is empty")


def open_repository(settings: Settings) -> Repository:
    """The repository that `backup_repository` names; nothing is asked of it yet.

    Raises RepositoryUnknown, ExtraMissing, and SettingError for what the bucket needs.
    """
    named = settings.backup_repository.strip()
    scheme, found, _ = named.partition("://")
    if not named:
        raise RepositoryUnknown(_EMPTY, value="''")
    if not found:
        return open_folder(settings.home / Path(named).expanduser())
    if scheme.lower() != "s3":
        raise RepositoryUnknown(_NO_SCHEME, value=hide_password(named))
    return open_bucket(settings)
