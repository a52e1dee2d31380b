"""From what an operator asks for to a backup, a target and a plan."""

from __future__ import annotations

from dataclasses import dataclass

from agentpg.desk.backup.model import OF_CLUSTERS, Backup
from agentpg.desk.backup.recovery.kept import archive_of, known_archive_of
from agentpg.desk.backup.recovery.marks import read_mark
from agentpg.desk.backup.recovery.targets import (
    Copy,
    RecoveryPlan,
    RestorableRange,
    Target,
    choose_backup,
    plan_recovery,
    restorable_ranges,
)
from agentpg.desk.backup.storage.choosing import Present, of_one_cluster
from agentpg.desk.backup.storage.records import list_backups, read_backup
from agentpg.desk.backup.storage.repository import Repository
from agentpg.errors import MarkNotFound, NoBaseBackups, NotABaseBackup


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A backup and where it is to be recovered to."""

    backup: Backup
    target: Target
    plan: RecoveryPlan


def take_aim(repository: Repository, name: str | None, target: Target, present: Present) -> Aim:
    """Choose the backup, where none is named, and decide how it gets to the target.

    A target by name may be a mark, or another backup's own moment. `present` asks which
    cluster's backups are meant. Raises NoBaseBackups, SourceUnclear, NotABaseBackup, MarkNotFound
    and RecoveryRefused.
    """
    if name is not None:
        named = read_backup(repository, name)
        if named.kind not in OF_CLUSTERS:
            raise NotABaseBackup(backup=name, kind=named.kind)
        backups = [named]
    else:
        backups = _of_clusters(repository, present)
    archive = archive_of(repository, backups[-1])
    target = _found(repository, archive.system, target)
    chosen = backups[-1]
    if target.by not in ("backup", "latest"):
        chosen = choose_backup(backups, archive, target) or chosen
    return Aim(backup=chosen, target=target, plan=plan_recovery(chosen, archive, target))


def _of_clusters(repository: Repository, present: Present) -> list[Backup]:
    """Those of one kind, since each has an archive of its own: base backups, if there are any."""
    there = list_backups(repository)
    ours = of_one_cluster(repository, there, present) if there else ()
    kinds = ([one for one in ours if one.kind == kind] for kind in OF_CLUSTERS)
    found = next((backups for backups in kinds if backups), [])
    if not found:
        raise NoBaseBackups(place=repository.place)
    return found


def ranges_of(repository: Repository, backup: Backup) -> tuple[RestorableRange, ...]:
    """Where a backup of a cluster can be recovered to; nothing for one of another kind.

    Nor for one of pgBackRest, where that is not to be reached from here.
    """
    archive = known_archive_of(repository, backup) if backup.kind in OF_CLUSTERS else None
    return () if archive is None else restorable_ranges(backup, archive)


def _found(repository: Repository, system: str, target: Target) -> Target:
    """A target by name, with where that is."""
    if target.by != "name":
        return target
    of_backups = {
        one.name: one
        for one in list_backups(repository)
        if one.kind in OF_CLUSTERS and one.source.system_identifier == system
    }
    if target.value in of_backups:
        backup = of_backups[target.value]
        lsn, timeline = backup.lsn, Copy.of(backup).timeline
    else:
        mark = read_mark(repository, system, target.value)
        if mark.lsn is None or mark.timeline is None:
            raise MarkNotFound(name=target.value, place=repository.place)
        lsn, timeline = mark.lsn, mark.timeline
    chosen = timeline if target.timeline is None else target.timeline
    return Target(by="name", value=target.value, lsn=lsn, timeline=chosen)
