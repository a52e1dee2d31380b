"""Whether the log is what was written: the chain is followed from its first entry to its head."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agentpg.audit.acting import Action, Actor
from agentpg.audit.chain import Anchor, Break, Chain, Link
from agentpg.audit.reading import head_of, links, read_line
from agentpg.audit.recording import record
from agentpg.db import (
    Database,
    Statements,
    connect,
    driver_errors,
    snapshot,
)
from agentpg.errors import FileNotRead
from agentpg.language import N_

# How often it is said how far one is.
_STEP = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How far the chain is whole: `end` is its last good place, to be kept elsewhere."""

    entries: int
    end: Anchor
    broken: Break | None


@dataclass(frozen=True, slots=True)
class Verified:
    """When the whole chain was followed last, and since when there are entries behind that."""

    number: int | None
    at: datetime | None
    unverified_since: datetime | None


def verify(
    database: Database,
    seen: Sequence[Anchor] = (),
    passed: Callable[[int], object] = lambda _: None,
) -> Verdict:
    """Follow the whole log as of one moment; `seen` are places that must be in it.

    Each hash is computed here and not by the server. `passed` is told how many entries more were
    followed. Raises PermissionDenied and SchemaMissing.
    """
    with snapshot(database, "agentpg security log") as connection:
        head = head_of(connection, database.schema)
        chain = Chain(seen=seen)
        broken = _followed(chain, links(connection, database.schema), passed)
    return _verdict(chain, broken or chain.finish(head))


def verify_end(database: Database, most: int) -> Verdict:
    """The same for up to `most` entries at the end, quickly."""
    with snapshot(database, "agentpg doctor") as connection:
        head = head_of(connection, database.schema)
        start = Anchor(0, bytes(32))
        first = max((head.number if head else 0) - most, 0)
        if first:
            sql = Statements("audit", database.schema)["place_before"]
            row = connection.execute(sql, {"number": first + 1}).fetchone()
            # Where that entry is gone, the chain says so.
            start = Anchor(first, bytes(row[0]) if row else bytes(32))
        chain = Chain(start)
        broken = _followed(chain, links(connection, database.schema, first), lambda _: None)
    return _verdict(chain, broken or chain.finish(head))


def verify_file(path: Path, seen: Sequence[Anchor] = ()) -> Verdict:
    """The same for a file that `export` wrote from the first entry on. Raises FileNotRead."""
    chain = Chain(seen=seen)
    try:
        with path.open(encoding="utf-8") as file:
            broken = _followed(chain, (read_line(line) for line in file), lambda _: None)
    except OSError as error:
        raise FileNotRead(error.strerror or str(error), path=path) from error
    except ValueError as error:
        raise FileNotRead(N_("it is no export of the audit log"), path=path) from error
    return _verdict(chain, broken or chain.finish(chain.end))


def note_verdict(database: Database, actor: Actor, verdict: Verdict) -> None:
    """Add to the log that it was followed. Raises what adding an entry does."""
    broken = verdict.broken
    said = {"break": broken.kind, "number": broken.number} if broken else {}
    with (
        connect(database, "agentpg security log") as connection,
        driver_errors(database.target(), connection),
    ):
        record(
            connection,
            database.schema,
            actor,
            Action.LOG_VERIFY,
            str(verdict.end),
            "failed" if broken else "done",
            entries=verdict.entries,
            **said,
        )


def _followed(
    chain: Chain, entries: Iterable[Link], passed: Callable[[int], object]
) -> Break | None:
    for link in _told(entries, passed):
        broken = chain.follow(link)
        if broken is not None:
            return broken
    return None


def _told(entries: Iterable[Link], passed: Callable[[int], object]) -> Iterator[Link]:
    number = 0
    for link in entries:
        yield link
        number += 1
        if number % _STEP == 0:
            passed(_STEP)
    passed(number % _STEP)


def _verdict(chain: Chain, broken: Break | None) -> Verdict:
    return Verdict(entries=chain.end.number - chain.start.number, end=chain.end, broken=broken)
