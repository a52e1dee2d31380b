"""Which backups are kept, and removing the others, with the WAL that only they needed.

Each kind of backup of each database has its own count. Kept are the last so many, and of each
of the last so many days, weeks and months that have one, the last of it (grandfather, father,
son). The last one that passed a drill is always kept, since nothing proves the later ones, and
so is what a kept one needs. One whose last drill failed counts for none of this: it stays as
long as what is newer than the oldest of the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from agentpg.desk.backup.model import Backup, Drill, Outcome, Source, last_telling
from agentpg.desk.backup.pgbackrest.backups import remove_from_pgbackrest
from agentpg.desk.backup.recovery.expiring import WalPlan, plan_wal, remove_wal
from agentpg.desk.backup.storage.records import find_backups, read_drills, remove_backup
from agentpg.desk.backup.storage.repository import Repository
from agentpg.language import N_
from agentpg.settings import Settings
from agentpg.zones import zone_of

RECENT, DAILY, WEEKLY, MONTHLY = N_("recent"), N_("daily"), N_("weekly"), N_("monthly")
PROVED, NEEDED = N_("proved"), N_("needed")
REASONS = (RECENT, DAILY, WEEKLY, MONTHLY, PROVED, NEEDED)

_PERIODS: Mapping[str, Callable[[datetime], object]] = {
    DAILY: lambda moment: moment.date(),
    WEEKLY: lambda moment: moment.isocalendar()[:2],
    MONTHLY: lambda moment: (moment.year, moment.month),
}

Told = Callable[[Backup], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How many are kept: of all, and of days, weeks and months that have a backup.

    `zone` is where days begin. `last` is at least 1.
    """

    last: int
    daily: int
    weekly: int
    monthly: int
    zone: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """A backup, its last drill that found something out, and the rules by which it is kept.

    Without a rule it goes.
    """

    backup: Backup
    drill: Drill | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What becomes of each backup, the newest last, and of the archived WAL."""

    fates: tuple[Fate, ...]
    wal: tuple[WalPlan, ...] = ()

    @property
    def kept(self) -> list[Backup]:
        """Those that stay."""
        return [fate.backup for fate in self.fates if fate.reasons]

    @property
    def going(self) -> list[Backup]:
        """Those that go."""
        return [fate.backup for fate in self.fates if not fate.reasons]

    @property
    def wal_going(self) -> int:
        """How many files of WAL go."""
        return sum(len(one.going) for one in self.wal)

    @property
    def is_proved(self) -> bool:
        """Whether one that stays has passed its last drill."""
        return any(PROVED in fate.reasons for fate in self.fates)


def retention_of(settings: Settings) -> Retention:
    """What the settings keep."""
    return Retention(
        last=settings.backup_keep_last,
        daily=settings.backup_keep_daily,
        weekly=settings.backup_keep_weekly,
        monthly=settings.backup_keep_monthly,
        zone=zone_of(settings.time_zone),
    )


def plan_pruning(repository: Repository, retention: Retention, source: Source | None) -> Plan:
    """What would become of the backups of one source, or of all, and change nothing.

    WAL is the whole cluster's: what a base backup of another of its databases needs stays. While a
    record can't be read, all of it does.
    """
    there = find_backups(repository)
    found = [
        backup for backup in there.backups if source is None or backup.source.same_database(source)
    ]
    drills = {backup.name: last_telling(read_drills(repository, backup.name)) for backup in found}
    fates: list[Fate] = []
    for group in _groups(found):
        reasons = _reasons(group, drills, retention)
        fates += [
            Fate(
                backup=b,
                drill=drills[b.name],
                reasons=tuple(r for r in REASONS if r in reasons[b.name]),
            )
            for b in group
        ]
    going = {fate.backup.name for fate in fates if not fate.reasons}
    staying = [backup for backup in there.backups if backup.name not in going]
    systems = None if source is None else {source.system_identifier}
    return Plan(
        fates=tuple(sorted(fates, key=lambda fate: fate.backup.taken_at)),
        wal=() if there.damaged else plan_wal(repository, staying, systems),
    )


def apply_plan(repository: Repository, plan: Plan, told: Told) -> None:
    """Remove what goes, the oldest first; each is gone whole before the next, and WAL last."""
    for backup in plan.going:
        remove_backup(repository, backup.name)
        if backup.kind == "pgbackrest":
            # Without its record it is none; if this ends here, the next backup removes it.
            remove_from_pgbackrest(repository, backup)
        told(backup)
    for wal in plan.wal:
        remove_wal(repository, wal)


def _groups(backups: Iterable[Backup]) -> Iterator[list[Backup]]:
    """Those of one kind and one database together, in their order."""
    groups: list[list[Backup]] = []
    for backup in backups:
        for group in groups:
            if group[0].kind == backup.kind and group[0].source.same_database(backup.source):
                group.append(backup)
                break
        else:
            groups.append([backup])
    yield from groups


def _reasons(
    group: Sequence[Backup], drills: Mapping[str, Drill | None], retention: Retention
) -> dict[str, set[str]]:
    """Why each of one group is kept."""
    reasons: dict[str, set[str]] = {backup.name: set() for backup in group}
    # Where all have failed, they are still all that there is.
    good = [b for b in group if _outcome(drills[b.name]) != "failed"] or list(group)
    last = good[-retention.last :]
    for backup in group:
        if backup.taken_at >= last[0].taken_at:
            reasons[backup.name].add(RECENT)
    counts = {DAILY: retention.daily, WEEKLY: retention.weekly, MONTHLY: retention.monthly}
    for rule, period in _PERIODS.items():
        last_of = {period(b.taken_at.astimezone(retention.zone)): b for b in good}
        for backup in list(reversed(last_of.values()))[: counts[rule]]:
            reasons[backup.name].add(rule)
    proved = [b for b in group if _outcome(drills[b.name]) == "passed"]
    for backup in proved[-1:]:
        reasons[backup.name].add(PROVED)
    _keep_needed(group, reasons)
    return reasons


def _keep_needed(group: Sequence[Backup], reasons: Mapping[str, set[str]]) -> None:
    """What a kept backup says that it needs is kept, the newest asked first."""
    for backup in reversed(group):
        if reasons[backup.name]:
            for name in backup.details.get("needs", ()):
                reasons.get(name, set()).add(NEEDED)


def _outcome(drill: Drill | None) -> Outcome | None:
    return None if drill is None else drill.outcome
