"""Which backup is meant where none is named: the newest, but never that of another database.

Whose the backups are is judged by all that there are, and only then which of them are of the
kind that is wanted: the only one of its kind may be another database's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agentpg.desk.backup.model import OF_DATABASES, Backup, Source
from agentpg.desk.backup.storage.records import list_backups, read_backup
from agentpg.desk.backup.storage.repository import Repository
from agentpg.errors import AgentpgError, NoBackups, SourceUnclear

# Asks the present database what it is; it may not answer, since that is when one restores.
Present = Callable[[], Source]

_Same = Callable[[Source, Source], bool]


def choose_backup(repository: Repository, name: str | None, present: Present) -> Backup:
    """The backup of this name, or the newest one of the present database.

    Raises BackupNotFound, RecordDamaged, NoBackups and SourceUnclear.
    """
    if name is not None:
        return read_backup(repository, name)
    return of_one_source(repository, list_backups(repository), present)[-1]


def choose_to_restore(
    repository: Repository, name: str | None, present: Present, over: str = ""
) -> Backup:
    """The same of those that go into a database; where none does, the newest of all.

    `over` is the database that is replaced, or whose rows are: without a name, nothing of another
    one gets there, even where there are only backups of that. Raises as `choose_backup`.
    """
    if name is not None:
        return read_backup(repository, name)
    backups = of_one_source(repository, list_backups(repository), present)
    fitting = [backup for backup in backups if backup.kind in OF_DATABASES]
    chosen = (fitting or backups)[-1]
    source = chosen.source
    if over and source.database != over:
        sources = f"{source.database} ({source.target})"
        raise SourceUnclear(place=repository.place, sources=sources)
    return chosen


def of_one_source(
    repository: Repository, backups: Sequence[Backup], present: Present
) -> Sequence[Backup]:
    """The backups of the present database, or all where they are of one database anyway.

    In a repository of several, the newest may be of another one, and nobody wants that in the
    place of his own. Raises NoBackups, and SourceUnclear where none is of the present one.
    """
    return _of_one(repository, backups, present, Source.same_database)


def of_one_cluster(
    repository: Repository, backups: Sequence[Backup], present: Present
) -> Sequence[Backup]:
    """The same of clusters: whichever of its databases each backup was made from."""
    return _of_one(repository, backups, present, Source.same_cluster)


def _of_one(
    repository: Repository, backups: Sequence[Backup], present: Present, same: _Same
) -> Sequence[Backup]:
    if not backups:
        raise NoBackups(place=repository.place)
    sources = _sources(backups, same)
    if len(sources) == 1:
        return backups
    try:
        source = present()
    except AgentpgError:
        source = None
    ours = [b for b in backups if source is not None and same(b.source, source)]
    if not ours:
        names = ", ".join(f"{one.database} ({one.target})" for one in sources)
        raise SourceUnclear(place=repository.place, sources=names)
    return ours


def _sources(backups: Sequence[Backup], same: _Same) -> list[Source]:
    """What they are of, each by its newest backup."""
    found: list[Source] = []
    for backup in reversed(backups):
        if not any(same(backup.source, one) for one in found):
            found.append(backup.source)
    return found
