"""`agentpg security log`: what operators did, and the proof that it is all there."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agentpg.cli.command import Command, Group
from agentpg.cli.doctor_view import FINDINGS
from agentpg.cli.output import Column, Output, json_option
from agentpg.cli.session import Session
from agentpg.cli.values import FILE_PATH, GIVEN, MOMENT
from agentpg.errors import AgentpgError, AnchorWrong
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.audit.chain import Anchor, Break
    from agentpg.audit.reading import Entry
    from agentpg.audit.verifying import Verdict

# What is wrong with the chain, by the kind of its break.
_BREAKS = {
    "changed": N_("entry {number} is not what was written"),
    "missing": N_("entries {number} to {until} are missing"),
    "moved": N_("entry {number} is not at its place: it was number {until}"),
    "added": N_("entry {number} was not added by the log itself"),
    "cut": N_("the end is missing: entries {number} to {until}"),
    "head": N_("the head of the log is not that of its last entry, {number}"),
    "other": N_("entry {number} is not the one that was seen there before"),
    "form": N_("entry {number} was written by a newer release"),
}


_expect = click.option(
    "--expect",
    "expected",
    multiple=True,
    type=GIVEN,
    metavar="NUMBER:HASH",
    help="A place that was seen before and must be there; may be given again.",
)


@click.group(
    "log",
    cls=Group,
    examples="""
        agentpg security log show --since 2026-03-01
        agentpg security log verify
        agentpg security log export --to audit.jsonl
    """,
)
def verb() -> None:
    """Show what operators did, and prove that it is all there.

    Entries are only added. Each holds the hash of the one before, so that a change, a gap or a cut
    shows.
    """


@verb.command(
    "show",
    cls=Command,
    examples="""
        agentpg security log show
        agentpg security log show --action backup --since 2026-03-01
        agentpg security log show --who kim --json | jq '.[].object'
    """,
)
@click.option("--action", type=GIVEN, help="An action such as task.cancel, or a noun: task.")
@click.option("--who", type=GIVEN, help="An account, a role of the database, or who ran it.")
@click.option("--object", "about", type=GIVEN, help="What it was done to.")
@click.option(
    "--outcome",
    type=click.Choice(["begun", "done", "failed", "refused"]),
    help="How it ended.",
)
@click.option("--since", type=MOMENT, help="Not before this moment.")
@click.option("--until", type=MOMENT, help="Before this moment.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many."
)
@json_option
@click.pass_obj
def show(
    session: Session,
    action: str | None,
    who: str | None,
    about: str | None,
    outcome: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show the newest entries, the newest first."""
    from agentpg.audit.reading import Wanted, entries

    wanted = Wanted(
        action=action, who=who, about=about, outcome=outcome, since=since, until=until, limit=limit
    )
    found = entries(session.database, wanted)
    if as_json:
        session.out.json([_document(one) for one in found])
    else:
        _show_entries(session.out, found)


@verb.command(
    "verify",
    cls=Command,
    examples="""
        agentpg security log verify
        # What was printed last month, on another machine.
        agentpg security log verify --expect "$(ssh vault cat seen)"
        # A file of `export`; this needs no database.
        agentpg security log verify --file audit.jsonl
        # After a restore: what was seen before is gone with the former database.
        agentpg security log verify --begin-anew
    """,
)
@_expect
@click.option("--file", "path", type=FILE_PATH, metavar="FILE", help="Verify this file instead.")
@click.option(
    "--begin-anew",
    is_flag=True,
    help="Do not compare with what was seen before from here; remember what is there now.",
)
@json_option
@click.pass_obj
def verify(
    session: Session,
    expected: tuple[str, ...],
    path: Path | None,
    begin_anew: bool,
    as_json: bool,
) -> int:
    """Follow the whole chain and name the first entry that is not as it was written.

    Every hash is computed here. The last place is printed and kept in AGENTPG_HOME: the next
    `verify` from here finds out by it if the end was cut off or all of it was written anew. Keep it
    in other places too, and give it with --expect. Exits with 5 where the chain is broken.
    """
    from agentpg.audit.verifying import verify_file

    places = tuple(_anchor_of(text) for text in expected)
    if path is not None:
        verdict = verify_file(path, places)
    else:
        verdict = _followed(session, places, begin_anew=begin_anew)
    if as_json:
        session.out.json(_verdict_document(verdict))
    else:
        _show_verdict(session.out, verdict)
    return FINDINGS if verdict.broken else 0


@verb.command(
    "export",
    cls=Command,
    examples="""
        agentpg security log export --to audit.jsonl
        # Only what came behind an entry, for another store.
        agentpg security log export --after 4711 | logger -t agentpg-audit
    """,
)
@click.option("--to", "path", type=FILE_PATH, metavar="FILE", help="By default standard output.")
@click.option(
    "--after", type=click.IntRange(min=0), default=0, help="Only entries behind this number."
)
@click.pass_obj
def export(session: Session, path: Path | None, after: int) -> None:
    """Write the log as lines of JSON that `verify --file` can prove without a database."""
    from agentpg.audit.reading import export as exported
    from agentpg.errors import FileNotWritten

    if path is None:
        exported(session.database, sys.stdout.write, after)
        return
    try:
        with open(path, "w", encoding="utf-8", opener=_private) as file:
            number = exported(session.database, file.write, after)
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from error
    text = session.translate(N_("{number} entries are in {path}."))
    session.out.note(text.format(number=session.out.text(number), path=path))


def _private(path: str, flags: int) -> int:
    """Open a file that its owner alone may read: it says who did what."""
    return os.open(path, flags, 0o600)


def _anchor_of(text: str) -> Anchor:
    from agentpg.audit.chain import Anchor

    try:
        return Anchor.parse(text)
    except ValueError:
        raise AnchorWrong(anchor=repr(text)) from None


def _followed(session: Session, expected: tuple[Anchor, ...], *, begin_anew: bool) -> Verdict:
    """Verify the database's log, with what was seen from here before, and note that it was."""
    from agentpg.audit.anchors import Anchors
    from agentpg.audit.verifying import verify as verified

    database, anchors = session.database, Anchors.of(session.home)
    key = f"{database.target()} {database.schema}"
    seen = None if begin_anew else anchors.seen(key)
    places = [*expected, *([seen[0]] if seen else [])]
    with session.out.progress(session.translate(N_("Verifying"))) as progress:
        verdict = verified(database, places, progress.advance)
    if verdict.broken is None:
        kept = N_("this place is not kept for the next time: {reason}")
        _quietly(session, kept, lambda: anchors.keep(key, verdict.end))
    noted = N_("the log does not say that it was verified: {reason}")
    _quietly(session, noted, lambda: _note(session, verdict))
    return verdict


def _note(session: Session, verdict: Verdict) -> None:
    from agentpg.audit.verifying import note_verdict

    note_verdict(session.database, session.actor, verdict)


def _quietly(session: Session, sentence: str, work: Any) -> None:
    """What cannot be kept does not change what was found; the sentence says what that is."""
    try:
        work()
    except AgentpgError as error:
        text = session.translate(sentence).format(reason=error.message(session.translate))
        session.out.note(f"agentpg: {text}")


def _document(entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "at": entry.at,
        "action": entry.action,
        "object": entry.object,
        "outcome": entry.outcome,
        "account": entry.account,
        "database_role": entry.database_role,
        "address": entry.address,
        "os_user": entry.os_user,
        "program": entry.program,
        "details": entry.details,
        "hash": entry.hash.hex(),
    }


def _show_entries(out: Output, found: list[Entry]) -> None:
    columns = (
        Column(N_("Number"), right=True),
        Column(N_("When")),
        Column(N_("Who"), yields=2),
        Column(N_("Action")),
        Column(N_("Outcome"), state=True),
        Column(N_("What"), yields=3),
    )
    rows = [(e.number, e.at, e.who, e.action, e.outcome, e.object) for e in found]
    below = [_in_short(one.details) for one in found]
    out.table(columns, rows, empty=N_("There is no such entry."), below=below)


def _in_short(details: Any) -> str:
    import json

    return ", ".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in details.items()
    )


def _verdict_document(verdict: Verdict) -> dict[str, Any]:
    broken = verdict.broken
    return {
        "entries": verdict.entries,
        "anchor": str(verdict.end),
        "ok": broken is None,
        "break": broken and {"kind": broken.kind, "number": broken.number, "until": broken.until},
    }


def _show_verdict(out: Output, verdict: Verdict) -> None:
    lead = out.translate(N_("audit log"))
    if verdict.broken is None:
        text = out.translate(N_("the chain is whole: {number} entries"))
        out.stated(lead, "ok", text.format(number=out.text(verdict.entries)))
    else:
        out.stated(lead, "broken", _said(out, verdict.broken))
    # In a line of its own, however narrow the terminal: it is there to be copied.
    out.line(out.translate(N_("good up to {anchor}")).format(anchor=verdict.end))


def _said(out: Output, broken: Break) -> str:
    sentence = _BREAKS[broken.kind]
    if broken.kind in ("missing", "cut") and broken.until == broken.number:
        sentence = N_("entry {number} is missing")
    return out.translate(sentence).format(number=broken.number, until=broken.until)
