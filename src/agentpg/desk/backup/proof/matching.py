"""Comparing a restored database with the manifest of its backup, exactly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from agentpg.db import Database, snapshot
from agentpg.desk.backup.model import OF_DATABASES, Backup, Check
from agentpg.desk.backup.proof.comparing import compare
from agentpg.desk.backup.proof.manifest import Manifest
from agentpg.desk.backup.proof.reading import Progress
from agentpg.desk.backup.proof.taking import take_manifest
from agentpg.desk.backup.sessions import be_undisturbed
from agentpg.desk.backup.storage.bringing import Brought
from agentpg.errors import RecordDamaged
from agentpg.language import N_

_NO_MANIFEST = N_("the backup has no manifest of what the source held")
_NO_GLOBALS = N_("the backup has no roles: who made it had no right to read them")

_ROLES = "roles"
_DATABASE = "database"


def compare_contents(
    brought: Brought,
    backup: Backup,
    database: Database,
    *,
    roles: bool,
    progress: Progress | None = None,
) -> tuple[Check, ...]:
    """Every count and hash, large objects, sequences, catalogue, settings, and roles if asked.

    On a server with a life of its own, roles are its own matter. Raises RecordDamaged,
    RecordTooNew, and the errors of the database.
    """
    if brought.manifest is None:
        return (Check(name="contents", outcome="unknown", reason=_NO_MANIFEST),)
    expected = read_manifest(brought.manifest, backup.name)
    with snapshot(database, "agentpg backup drill", be_undisturbed) as connection:
        found = take_manifest(
            connection, expected.schema, progress=progress, unlogged=expected.unlogged
        )
    return tuple(_promised(compare(expected, found), brought, backup, roles=roles))


def behind_at_source(brought: Brought, backup: Backup) -> frozenset[str]:
    """The sequences that were behind their columns at the source already.

    Raises RecordDamaged and RecordTooNew.
    """
    if brought.manifest is None:
        return frozenset()
    return frozenset(name for name, _ in read_manifest(brought.manifest, backup.name).behind)


def read_manifest(path: Path, backup: str) -> Manifest:
    """The manifest in a file. Raises RecordDamaged and RecordTooNew."""
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise RecordDamaged(str(error), name=backup) from error
    return Manifest.parse(document, backup)


def _promised(
    checks: tuple[Check, ...], brought: Brought, backup: Backup, *, roles: bool
) -> Iterator[Check]:
    """The checks of what this backup holds: a plain file alone says nothing of its database."""
    for check in checks:
        apart = backup.kind in OF_DATABASES
        if check.name == _ROLES and roles and apart and brought.globals is None:
            yield replace(check, outcome="unknown", reason=_NO_GLOBALS, differences=())
        elif (check.name != _ROLES or roles) and not (
            check.name == _DATABASE and backup.kind == "sql" and brought.database is None
        ):
            yield check
