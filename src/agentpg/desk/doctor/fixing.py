"""Doing the safe remedies of findings, and looking again whether they have helped.

A room takes part by marking a remedy `risk="safe"`: its SQL is run as the administrator, statement
by statement, or its `agentpg …` command within this process. Whatever the mark says, nothing is
done that is not known to be harmless: statements of a few kinds, and commands without a gap that a
person is to fill. The first safe remedy of a finding is the one that is done.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from agentpg.db import Database, Statements, connect, driver_errors, secured
from agentpg.desk.doctor.disk.looking import as_administrator
from agentpg.desk.finding import Finding, Remedy
from agentpg.desk.turn import UNDISTURBED, turn
from agentpg.errors import AgentpgError, CommandFailed
from agentpg.language import N_
from agentpg.settings import Settings

# Runs the arguments of `agentpg …`, and gives its exit code.
RunCommand = Callable[[Sequence[str]], int]

State = Literal["helped", "remains", "failed"]

# Whoever wants the table goes first; what is not done now is done at the next look.
_LOCK_TIMEOUT = timedelta(seconds=5)

# What can be undone, gives way to others, and takes nothing away.
_NAME = r'(?:IF EXISTS )?(?:ONLY )?(?:"(?:[^"]|"")+"|[\w.])+'
_HARMLESS = re.compile(
    r"ANALYZE\b|VACUUM\b(?!.*\bFULL\b)|CHECKPOINT$|SELECT (pg_catalog\.)?pg_reload_conf\(\)$"
    rf"|ALTER SYSTEM (SET|RESET)\b|ALTER (ROLE|DATABASE) {_NAME} (SET|RESET)\b"
    rf"|ALTER (TABLE|INDEX|MATERIALIZED VIEW) {_NAME} (SET|RESET) \([^)]*\)$"
    rf"|ALTER TABLE {_NAME} ALTER (COLUMN )?{_NAME} SET STATISTICS \d+$"
    r"|CREATE (UNIQUE )?INDEX CONCURRENTLY\b|CREATE STATISTICS\b|CREATE EXTENSION\b"
    r"|REINDEX .*\bCONCURRENTLY\b|DROP INDEX CONCURRENTLY\b",
    re.IGNORECASE | re.DOTALL,
)

# A statement ends at a semicolon that stands in no text, name or comment.
_PARTS = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|\$\$.*?\$\$|--[^\n]*)|(;)""", re.DOTALL)

# What a person is to put in: FILE, MODULE:APP, an ellipsis.
_GAP = re.compile(r"(^|[=:])[A-Z][A-Z_]+($|[:=])|…|\{|<")

_NOT_AGENTPG = N_("it is not a command of agentpg")
_HAS_GAP = N_("it has a gap that a person must fill")
_ITSELF = N_("it would call itself")
_NOT_HARMLESS = N_("its SQL is not of a kind that is known to do no harm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A safe remedy, the room that has it, and all findings that it is for.

    `refused` says why it is not done all the same; empty where it is.
    """

    room: str
    remedy: Remedy
    findings: tuple[Finding, ...]
    refused: str = ""

    @property
    def codes(self) -> str:
        """The codes of its findings, each once."""
        return " ".join(dict.fromkeys(finding.code for finding in self.findings))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a fix: its findings are gone, or some remain, or it failed by `error`."""

    fix: Fix
    state: State
    error: AgentpgError | None = None


def fixes_of(found: Mapping[str, Sequence[Finding]]) -> list[Fix]:
    """The first safe remedy of every finding that says something, each once, in their order."""
    fixes: dict[tuple[str, str], Fix] = {}
    for room, findings in found.items():
        for finding in findings:
            remedy = _safe(finding)
            if remedy is None:
                continue
            key = (remedy.command, remedy.sql)
            others = fixes[key].findings if key in fixes else ()
            fixes[key] = Fix(
                room=fixes[key].room if key in fixes else room,
                remedy=remedy,
                findings=(*others, finding),
                refused=refusal(remedy),
            )
    return list(fixes.values())


def refusal(remedy: Remedy) -> str:
    """Why a remedy that is called safe is not done; empty where it may be."""
    if remedy.command:
        words = _words(remedy.command)
        if words[:1] != ["agentpg"]:
            return _NOT_AGENTPG
        if any(_GAP.search(word) for word in words):
            return _HAS_GAP
        if words[1:2] == ["doctor"] and words[2:3] != ["disk"]:
            return _ITSELF
        return ""
    harmless = all(_HARMLESS.match(statement) for statement in statements_in(remedy.sql))
    return "" if harmless else _NOT_HARMLESS


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


def statements_in(sql: str) -> list[str]:
    """The statements of a remedy, without what ends them."""
    parts: list[list[str]] = [[]]
    for piece in _PARTS.split(sql):
        if piece == ";":
            parts.append([])
        elif piece:
            parts[-1].append(piece)
    return [text for part in parts if (text := "".join(part).strip())]


class Fixer:
    """Does fixes on one installation; commands are run by `run_command`."""

    def __init__(self, database: Database, settings: Settings, run_command: RunCommand) -> None:
        self._database = administrator(database, settings)
        self._run_command = run_command

    def do(self, fix: Fix) -> AgentpgError | None:
        """Do one fix; what went wrong, if anything."""
        try:
            if fix.remedy.command:
                self._run(fix.remedy.command)
            else:
                self._execute(fix.remedy.sql)
        except AgentpgError as error:
            return error
        return None

    def _run(self, command: str) -> None:
        code = self._run_command(shlex.split(command)[1:])
        # Findings that it found itself are looked for below.
        if code not in (0, 5, 6):
            raise CommandFailed(command=command, code=code)

    def _execute(self, sql: str) -> None:
        database = self._database
        statements = Statements("doctor_fixing", database.schema)
        limit = f"{_LOCK_TIMEOUT // timedelta(milliseconds=1)}ms"
        with (
            driver_errors(database.target()),
            connect(database, "agentpg doctor") as connection,
            turn(connection, database.schema, UNDISTURBED),
        ):
            connection.execute(statements["give_way"], {"limit": limit})
            for statement in statements_in(sql):
                connection.execute(statement.encode())


def administrator(database: Database, settings: Settings) -> Database:
    """The database as the role that may change it: by the setting `dsn_admin`, or on the private
    server as its superuser."""
    if settings.dsn_admin:
        return Database(secured(settings.dsn_admin, settings), database.schema)
    return as_administrator(database, settings)


def outcomes(
    done: Sequence[tuple[Fix, AgentpgError | None]], after: Mapping[str, Sequence[Finding]]
) -> Iterator[Outcome]:
    """What became of fixes, by what the rooms say after them."""
    # What can't be looked at any more is not known to be well.
    left = {
        (one.code, one.subject)
        for findings in after.values()
        for one in findings
        if one.level != "ok"
    }
    for fix, error in done:
        remains = any({(one.code, one.subject), (one.code, "")} & left for one in fix.findings)
        state: State = "failed" if error else "remains" if remains else "helped"
        yield Outcome(fix=fix, state=state, error=error)


def _safe(finding: Finding) -> Remedy | None:
    if finding.level in ("ok", "unknown"):
        return None
    safe = (one for one in finding.remedies if one.risk == "safe" and (one.command or one.sql))
    return next(safe, None)
