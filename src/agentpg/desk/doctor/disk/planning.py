"""The plan for a disk that fills up: steps in their safe order, with the room that each gives
back and needs, and what is refused.

First what was put aside for this, then what is not the database's, then what can be made again,
and only then what somebody works with; a rewrite comes last, since it needs room first.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from agentpg.db import literal
from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.disk.case import (
    URGENT,
    Case,
    bloated,
    missing_room,
    urgent_slots,
)
from agentpg.desk.doctor.disk.facts import Facts, Spill
from agentpg.desk.doctor.disk.findings import is_pressed
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.doctor.disk.refusing import refused
from agentpg.desk.doctor.disk.rewriting import gain_bytes, rewrite_bytes
from agentpg.desk.doctor.disk.steps import Plan, Step
from agentpg.desk.finding import Finding
from agentpg.language import N_


def plan(facts: Facts, findings: Sequence[Finding], policy: Policy) -> Plan:
    """The steps for what was found; none where nothing is urgent."""
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    mounts = {one.subject for one in findings if is_pressed(one)}
    mounts |= {one.subject for one in by_code.get("D14", ()) if one.level in URGENT}
    pressed = frozenset(one.device for one in facts.volumes if one.mount in mounts)
    case = Case(facts, policy, by_code, pressed)
    steps = tuple(step for part in _PARTS for step in part(case))
    return Plan(steps=steps, refused=tuple(refused(case)) if steps else ())


def _ballast(case: Case) -> Iterator[Step]:
    """Only where the last tenth is reached: until then there is time without it."""
    critical = {one.subject for one in case.found.get("D01", ()) if one.level == "critical"}
    for ballast in case.facts.ballasts:
        volume = case.facts.on_device(ballast.device)
        if volume is not None and volume.mount in critical:
            yield Step(
                kind="release_ballast",
                sentence=N_("Give up the ballast {subject}."),
                doer="fix",
                subject=str(ballast.path),
                device=ballast.device,
                gives_bytes=ballast.size_bytes,
            )


def _logs(case: Case) -> Iterator[Step]:
    logs = case.facts.logs
    if isinstance(logs, Unlooked) or not logs.removable or not case.wants("logs", "D08"):
        return
    yield Step(
        kind="remove_logs",
        sentence=N_("Remove {files} log files in {subject} that are older than {days} days."),
        doer="fix" if logs.folder else "you",
        subject=logs.folder,
        device=case.device("logs"),
        gives_bytes=logs.removable_bytes,
        risk="destroys",
        values={"files": len(logs.removable), "days": case.policy.logs_kept.days},
    )


def _backups(case: Case) -> Iterator[Step]:
    kept = case.facts.kept
    if kept is None or isinstance(kept, Unlooked) or not kept.going_bytes:
        return
    if case.wants("backups", "D09"):
        yield Step(
            kind="prune_backups",
            sentence=N_("Remove {backups} backups that the settings need not keep."),
            doer="fix",
            subject=kept.folder,
            device=case.device("backups"),
            gives_bytes=kept.going_bytes,
            risk="destroys",
            command="agentpg backup prune",
            values={"backups": len(kept.going)},
        )


def _others(case: Case) -> Iterator[Step]:
    for finding in case.found.get("D16", ()):
        if finding.level in URGENT:
            yield Step(
                kind="remove_others",
                sentence=N_("Move or remove what nobody needs: {names}."),
                doer="you",
                subject=finding.subject,
                gives_bytes=finding.evidence["size_bytes"],
                risk="destroys",
                command=finding.remedies[0].command,
                values={"names": finding.evidence["names"]},
            )


def _spills(case: Case) -> Iterator[Step]:
    urgent = {one.subject for one in case.found.get("D07", ()) if one.level in URGENT}
    spills = () if isinstance(case.facts.spills, Unlooked) else case.facts.spills
    for spill in spills:
        if str(spill.process) in urgent:
            yield _cancel(case, spill)


def _cancel(case: Case, spill: Spill) -> Step:
    known = spill.started_at is not None
    return Step(
        kind="cancel_query",
        sentence=N_("Cancel what process {subject} runs for {whom}."),
        doer="asked" if known else "you",
        subject=str(spill.process),
        device=case.device("data"),
        gives_bytes=spill.size_bytes,
        risk="careful",
        sql=f"SELECT pg_cancel_backend({spill.process})",
        values={
            "whom": f"{spill.agent} {spill.task}".strip() or spill.role or "–",
            "query": spill.query or "–",
            "started_at": spill.started_at,
        },
    )


def _server(case: Case) -> Iterator[Step]:
    """What follows needs a server that answers."""
    stopped = isinstance(case.facts.server, Unlooked)
    if stopped and not isinstance(case.facts.data, Unlooked) and case.pressed:
        yield Step(
            kind="start_server",
            sentence=N_("With room made, start the server, and look again: what follows needs it."),
            doer="you",
            command="agentpg server start",
        )


def _archiving(case: Case) -> Iterator[Step]:
    for finding in case.found.get("D04", ()):
        if finding.level in URGENT:
            yield Step(
                kind="mend_archiving",
                sentence=N_("Mend the archiving of WAL: it lets go of {files} files."),
                doer="you",
                device=case.device("wal"),
                gives_bytes=finding.evidence["retained_bytes"],
                command="agentpg backup archive status",
                values={"files": finding.evidence["files"]},
            )


def _slots(case: Case) -> Iterator[Step]:
    for slot in urgent_slots(case):
        if not slot.active:
            yield Step(
                kind="drop_slot",
                sentence=N_("Start the reader of the slot {subject} again, or drop the slot."),
                doer="named",
                subject=slot.name,
                device=case.device("wal"),
                gives_bytes=slot.retained_bytes,
                risk="destroys",
                command=f"agentpg doctor disk --fix --drop-slot {slot.name}",
                sql=f"SELECT pg_drop_replication_slot({literal(slot.name)})",
            )


def named_slot(facts: Facts, name: str) -> Step:
    """The step that drops a slot which somebody has named, whatever was found."""
    slots = () if isinstance(facts.slots, Unlooked) else facts.slots
    kept = next((slot.retained_bytes for slot in slots if slot.name == name), None)
    volume = facts.volume("wal")
    return Step(
        kind="drop_slot",
        sentence=N_("Drop the slot {subject}."),
        doer="named",
        subject=name,
        device=None if volume is None else volume.device,
        gives_bytes=kept,
        risk="destroys",
        sql=f"SELECT pg_drop_replication_slot({literal(name)})",
    )


def _checkpoint(case: Case) -> Iterator[Step]:
    if not case.urgent("D03", "D04", "D05") or isinstance(case.facts.server, Unlooked):
        return
    yield Step(
        kind="checkpoint",
        sentence=N_("Let a checkpoint remove the WAL that nothing needs any more."),
        doer="fix",
        device=case.device("wal"),
        sql="CHECKPOINT",
    )


def _deleted(case: Case) -> Iterator[Step]:
    for finding in case.found.get("D10", ()):
        if finding.level in URGENT:
            yield Step(
                kind="free_deleted",
                sentence=N_("Restart {program}, process {subject}, which holds deleted files."),
                doer="you",
                subject=finding.subject,
                gives_bytes=finding.evidence["size_bytes"],
                risk="careful",
                values={"program": finding.evidence["program"]},
            )


def _holders(case: Case) -> Iterator[Step]:
    if not case.wants("data", "D12"):
        return
    for finding in case.found.get("D13", ()):
        if finding.level in URGENT and finding.remedies:
            yield Step(
                kind="end_holder",
                sentence=N_("End what keeps dead rows: {subject}, for {age}."),
                doer="you",
                subject=finding.subject,
                risk=finding.remedies[0].risk,
                sql=finding.remedies[0].sql,
                values={"age": finding.evidence.get("age", "–")},
            )


def _tables(case: Case) -> Iterator[Step]:
    for table in bloated(case):
        yield Step(
            kind="vacuum",
            sentence=N_(
                "Let new rows use the room in {subject}; it gives back what is at its end."
            ),
            doer="you",
            subject=table.name,
            device=case.device_of(table),
            command=f"agentpg tune vacuum {shlex.quote(table.name)}",
        )
        # What the statistics say is no reason to lock a table.
        if table.free_share is not None and missing_room(case, table) is None:
            yield Step(
                kind="vacuum_full",
                sentence=N_("Write {subject} anew, smaller; nobody reads or writes it meanwhile."),
                doer="you",
                subject=table.name,
                device=case.device_of(table),
                gives_bytes=gain_bytes(table),
                needs_bytes=rewrite_bytes(table),
                risk="careful",
                command=f"agentpg tune vacuum --full {shlex.quote(table.name)}",
            )


def _grow(case: Case) -> Iterator[Step]:
    for volume in case.facts.volumes:
        if volume.device in case.pressed:
            yield Step(
                kind="grow",
                sentence=N_("If that is not enough, make the file system {subject} larger."),
                doer="you",
                subject=volume.mount,
                device=volume.device,
            )


def _new_ballast(case: Case) -> Iterator[Step]:
    for step in _ballast(case):
        yield Step(
            kind="make_ballast",
            sentence=N_("When there is room again, make the ballast anew."),
            doer="you",
            device=step.device,
            needs_bytes=step.gives_bytes or 0,
            command=f"agentpg doctor disk --make-ballast {(step.gives_bytes or 0) // 1024**2}MiB",
        )


_PARTS = (
    _ballast,
    _logs,
    _backups,
    _others,
    _spills,
    _server,
    _archiving,
    _slots,
    _checkpoint,
    _deleted,
    _holders,
    _tables,
    _grow,
    _new_ballast,
)
