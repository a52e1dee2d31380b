"""The end of the server's log: what it tells of slow statements, waits, deadlocks, time-outs.

Only what is known by its form is taken from it, and statements without their values: lines of a
log may hold anything, such as the parameters of a statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from agentpg.db import Database, Statements
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.connection.servers import local_servers
from agentpg.desk.doctor.slow.facts import Log, Logged
from agentpg.desk.doctor.slow.texts import without_values
from agentpg.desk.doctor.slow.troubles import troubles_of
from agentpg.desk.monitor.reading import Reader
from agentpg.language import N_
from agentpg.settings import Settings

_BYTES = 256 * 1024
_AGE = timedelta(days=1)

_HIDDEN = Unlooked(N_("the server's log can't be read from here"))

_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_PROCESS = re.compile(r"\[(\d{1,10})\]")
_SLOW = re.compile(
    r" LOG:\s+duration: (?P<ms>\d{1,15}(?:\.\d{1,9})?) ms"
    r"\s+(?:statement|execute [^:]*): (?P<text>.*)",
    re.DOTALL,
)
_WAIT = re.compile(
    r" LOG:\s+process (?P<pid>\d{1,10}) still waiting for (?P<what>\w+ on \w+).*?"
    r" after (?P<ms>\d{1,15}(?:\.\d{1,9})?) ms"
)
_DEADLOCK = re.compile(r" ERROR:\s+deadlock detected")
_TIMEOUT = re.compile(r" ERROR:\s+canceling statement due to (?P<what>statement|lock) timeout")
_DETAIL = re.compile(r" DETAIL:\s+(?P<text>.*)", re.DOTALL)
_STATEMENT = re.compile(r" STATEMENT:\s+(?P<text>.*)", re.DOTALL)
_IN_DEADLOCK = re.compile(r"^\s*Process \d+: (?P<text>.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _May:
    is_allowed: bool


@dataclass(frozen=True, slots=True)
class _File:
    name: str | None
    folder: str | None


@dataclass(frozen=True, slots=True)
class _End:
    pg_read_binary_file: bytes


def read_log(
    reader: Reader, database: Database, settings: Settings, now: datetime
) -> Log | Unlooked:
    """The end of the log, by the server or else from its file on this machine; `now` is the
    server's, as its log writes it."""
    found = _by_the_server(reader) or _on_this_machine(database, settings)
    if found is None:
        return _HIDDEN
    path, end = found
    text = end.decode(errors="replace")
    return Log(
        path=path,
        bytes_read=len(end),
        entries=tuple(entries_of(text, now)),
        troubles=tuple(troubles_of(text, now)),
    )


def _by_the_server(reader: Reader) -> tuple[str, bytes] | None:
    sql = Statements("slow", "")
    may = looked(lambda: reader.row(sql, "may_read_log", _May))
    if isinstance(may, Unlooked) or not may.is_allowed:
        return None
    file = looked(lambda: reader.row(sql, "read_log_file", _File))
    if isinstance(file, Unlooked) or file.name is None:
        return None
    values = {"name": file.name, "bytes": _BYTES}
    end = looked(lambda: reader.row(sql, "read_log_end", _End, **values))
    return None if isinstance(end, Unlooked) else (file.name, end.pg_read_binary_file)


def _on_this_machine(database: Database, settings: Settings) -> tuple[str, bytes] | None:
    if not database.is_local():
        return None
    port = database.address()[1]
    for server in local_servers(settings):
        if server.running and server.port == port and server.log:
            end = looked(lambda log=server.log: _end_of(Path(log)))  # type: ignore[misc]
            if not isinstance(end, Unlooked):
                return server.log, end
    return None


def _end_of(path: Path) -> bytes:
    with path.open("rb") as log:
        log.seek(max(log.seek(0, 2) - _BYTES, 0))
        return log.read()


def entries_of(text: str, now: datetime | None = None) -> list[Logged]:
    """What a log tells, in its order; without what is older than a day."""
    found: list[Logged] = []
    for entry in _entries(text.splitlines()):
        one = _read(entry)
        if one is not None:
            found.append(one)
        elif found:
            found[-1] = _with_more(found[-1], entry)
    return [one for one in found if now is None or not _is_old(one.at, now)]


def _entries(lines: Sequence[str]) -> Iterator[str]:
    """What was written at once: the server begins each further line of it with a tab."""
    entry: list[str] = []
    for line in lines:
        if not line.startswith("\t") and entry:
            yield "\n".join(entry)
            entry = []
        entry.append(line.strip("\t"))
    if entry:
        yield "\n".join(entry)


def _read(entry: str) -> Logged | None:
    at, process = _TIME.search(entry), _PROCESS.search(entry.partition(":  ")[0])
    known = Logged(
        kind="",
        at=at[0] if at else "",
        pid=int(process[1]) if process else None,
        milliseconds=None,
        text="",
    )
    if found := _SLOW.search(entry):
        text = without_values(found["text"])
        return replace(known, kind="slow", milliseconds=float(found["ms"]), text=text)
    if found := _WAIT.search(entry):
        waited = float(found["ms"])
        pid = int(found["pid"])
        return replace(known, kind="wait", pid=pid, milliseconds=waited, text=found["what"])
    if _DEADLOCK.search(entry):
        return replace(known, kind="deadlock")
    if found := _TIMEOUT.search(entry):
        return replace(known, kind="timeout", text=f"{found['what']} timeout")
    return None


def _with_more(one: Logged, entry: str) -> Logged:
    """With what a further entry says of it: the statements that were in each other's way, or the
    one that waited."""
    if one.kind == "deadlock" and (found := _DETAIL.search(entry)):
        texts = [without_values(said["text"]) for said in _IN_DEADLOCK.finditer(found["text"])]
        return replace(one, text="; ".join(texts))
    # Once: what comes later is of others.
    is_open = one.kind in ("wait", "timeout") and ": " not in one.text
    if is_open and (found := _STATEMENT.search(entry)):
        return replace(one, text=f"{one.text}: {without_values(found['text'])}")
    return one


def _is_old(at: str, now: datetime) -> bool:
    if not at:
        return False
    try:
        return now.replace(tzinfo=None) - datetime.fromisoformat(at) > _AGE
    except ValueError:
        return False
