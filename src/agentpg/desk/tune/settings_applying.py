"""Changing the server's settings: all in one go, with a way back, and seen to hold.

What was there before is written to a file first. Where the server refuses one change, those before
it are taken back. Afterwards every setting is read again by a new session: it holds, it waits for a
restart, or the role or database that looks has a value of its own for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    ServerError,
    Statements,
    connect,
    driver_errors,
    identifier,
    server_message,
)
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.settings.durability import is_about_durability, lowers_durability
from agentpg.desk.doctor.settings.facts import Facts, Server, Setting
from agentpg.desk.doctor.settings.looking import look_at_settings
from agentpg.desk.doctor.settings.proposal import Proposal, is_server_wide, pinned_by
from agentpg.desk.doctor.settings.units import is_same, shown
from agentpg.desk.monitor.reading import Reader
from agentpg.desk.tune.settings_undo import Change, Undo, before, write_undo
from agentpg.desk.turn import lasting_turn
from agentpg.desk.undo_file import place_on
from agentpg.errors import (
    ServerBusy,
    SettingNotProposed,
    SettingPinned,
    SettingsManaged,
    SettingsNotAllowed,
    SettingsNotApplied,
    UndoElsewhere,
)
from agentpg.language import N_

# Two at once could each take the other's values for those from before.
CHANGE = N_("a change of the server's settings")

# Every process of the server reads the files when it is told to, within moments.
_PATIENCE_SECONDS = 10.0
_POLL_SECONDS = 0.1

State = Literal["holds", "after restart", "hidden", "not seen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one setting; `now` is its value, as people write it."""

    label: str
    state: State
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What was changed, and the file that takes it back."""

    outcomes: tuple[Outcome, ...]
    undo: Path
    left: tuple[str, ...] = ()


def choose(proposals: Sequence[Proposal], names: Sequence[str]) -> tuple[Proposal, ...]:
    """Those that are named, or all but what must be and what can't be set.

    Raises SettingNotProposed and SettingPinned.
    """
    known = {one.label: one for one in proposals}
    for name in names:
        if name not in known:
            raise SettingNotProposed(name=name)
        if known[name].pinned:
            raise SettingPinned(known[name].pinned, name=name)
    if names:
        return tuple(known[name] for name in dict.fromkeys(names))
    return tuple(one for one in proposals if not one.asked and not one.pinned)


def changes_of(proposals: Sequence[Proposal]) -> tuple[Change, ...]:
    """The statements that make them true."""
    return tuple(Change(name=one.name, value_sql=one.value_sql, role=one.role) for one in proposals)


class Applier:
    """Changes the settings of one server, as a role that may."""

    def __init__(self, database: Database, home: Path) -> None:
        self._database = database
        self._home = home
        self._sql = Statements("doctor_settings", database.schema)

    def apply(self, changes: Sequence[Change]) -> Applied:
        """Make these changes, and see that they hold.

        Raises SettingPinned, SettingsManaged, SettingsNotAllowed and WorkUnderWay before anything
        is written, FileNotWritten where the way back can't be kept, and SettingsNotApplied.
        """
        _require_free(look_at_settings(self._database), changes)
        return self._apply(changes)

    def _apply(self, changes: Sequence[Change]) -> Applied:
        with (
            driver_errors(self._database.target()),
            lasting_turn(self._database, CHANGE),
            connect(self._database, "agentpg tune") as connection,
        ):
            facts = look_at_settings(self._database)
            self._require_rights(connection, facts, changes)
            self._require_libraries(connection, changes)
            undo = self._undo(connection, facts, changes)
            path = write_undo(self._home, undo, self._database.target(), datetime.now(UTC))
            self._run_all(connection, changes, undo, path)
        return Applied(outcomes=self._verify(changes), undo=path)

    def undo(self, undo: Undo, path: Path) -> Applied:
        """Take changes back; what would make commits less safe is left out.

        Raises UndoElsewhere, and what `apply` raises.
        """
        with (
            driver_errors(self._database.target()),
            connect(self._database, "agentpg tune") as connection,
        ):
            system = place_on(self._database, connection).system
        if undo.system and system and undo.system != system:
            raise UndoElsewhere(path=path, target=self._database.target())
        left = tuple(one.label for one in undo.changes if _is_weaker(one))
        # What the server's start gives is taken out of the file all the same.
        applied = self._apply([one for one in undo.changes if not _is_weaker(one)])
        return Applied(outcomes=applied.outcomes, undo=applied.undo, left=left)

    def _require_rights(
        self, connection: Connection[Any], facts: Facts, changes: Sequence[Change]
    ) -> None:
        server = facts.server
        if isinstance(server, Unlooked):
            raise ServerBusy(server.reason, target=self._database.target())
        if not server.takes_alter_system:
            reason = N_("allow_alter_system is off")
            raise SettingsManaged(reason, target=self._database.target())
        if server.superuser:
            return
        if server.managed:
            reason = N_("a provider's roles are there")
            raise SettingsManaged(reason, target=self._database.target())
        wide = [one.name for one in changes if not one.role]
        found = self._ask(connection, "may_alter", names=wide)
        missing = [name for name, allowed in found if not allowed]
        grants = []
        if missing:
            grants.append(f"GRANT ALTER SYSTEM ON PARAMETER {', '.join(missing)} TO {server.role}")
        if wide:
            grants += self._more_grants(connection, server)
        hers = [one.label for one in changes if one.role and not self._may_set(connection, one)]
        if hers:
            grants.append(f"ALTER ROLE {server.role} CREATEROLE")
        if grants:
            names = ", ".join([*missing, *hers]) or ", ".join(wide)
            raise SettingsNotAllowed(role=server.role, names=names, grants="; ".join(grants))

    def _more_grants(self, connection: Connection[Any], server: Server) -> list[str]:
        """What is needed beside the settings: to reload, and to know what was there before."""
        grants = []
        [(allowed,)] = self._ask(connection, "may_reload")
        if not allowed:
            grants.append(f"GRANT EXECUTE ON FUNCTION pg_reload_conf() TO {server.role}")
        if not server.sees_all:
            grants.append(f"GRANT pg_read_all_settings TO {server.role}")
        return grants

    def _may_set(self, connection: Connection[Any], change: Change) -> bool:
        found = self._ask(connection, "may_set_for", role=change.role)
        return bool(found and found[0][0])

    def _require_libraries(self, connection: Connection[Any], changes: Sequence[Change]) -> None:
        """With a library that is missing the server would not start. Raises SettingsNotApplied."""
        for change in changes:
            if change.name != "shared_preload_libraries" or change.value_sql is None:
                continue
            for part in (one.strip() for one in change.value_sql.split(",")):
                if part == "''":
                    continue
                try:
                    connection.execute(
                        self._sql.compose("load_library", library=Fragment(part)), {}
                    )
                except ServerError as error:
                    raise SettingsNotApplied(
                        server_message(error), name=change.name, undo="–"
                    ) from None

    def _undo(self, connection: Connection[Any], facts: Facts, changes: Sequence[Change]) -> Undo:
        wide = [one.name for one in changes if not one.role]
        automatic = self._automatic(connection, facts, wide)
        of_roles: dict[tuple[str, str], str] = {}
        for role in {one.role for one in changes if one.role}:
            rows = self._ask(connection, "read_of_role", role=role)
            of_roles |= {(role, name): value for name, value in rows}
        system = place_on(self._database, connection).system
        return Undo(system=system, changes=before(changes, automatic, of_roles))

    def _automatic(
        self, connection: Connection[Any], facts: Facts, names: list[str]
    ) -> dict[str, str]:
        """What the server's own file has now, by the file or else by where values come from."""
        rows = looked(lambda: self._ask(connection, "read_automatic", names=names))
        if isinstance(rows, Unlooked):
            found = [one for name in names if (one := facts.setting(name)) is not None]
            return {
                one.name: shown(one.value, one.unit)
                for one in found
                if one.file.endswith("postgresql.auto.conf")
            }
        return dict(rows)

    def _ask(self, connection: Connection[Any], name: str, **values: object) -> list[Any]:
        """What a statement gives, which calls nothing but the server's own functions."""
        with Reader(self._database, connection).question() as asked:
            return asked.execute(self._sql[name], values).fetchall()

    def _run_all(
        self, connection: Connection[Any], changes: Sequence[Change], undo: Undo, path: Path
    ) -> None:
        """All of them, or none: where one is refused, those before it are taken back."""
        for number, change in enumerate(changes):
            try:
                self._run(connection, change)
            except ServerError as error:
                if connection.broken:
                    raise
                for back in undo.changes[len(changes) - number :]:
                    self._run(connection, back)
                raise SettingsNotApplied(
                    server_message(error), name=change.label, undo=path
                ) from None
        if any(not change.role for change in changes):
            connection.execute(self._sql["reload"])

    def _run(self, connection: Connection[Any], change: Change) -> None:
        names = {"setting": Fragment(change.name_sql), "value": Fragment(change.value_sql or "")}
        if change.role:
            statement = "set_for_role" if change.value_sql is not None else "reset_for_role"
            role = Fragment(identifier(change.role))
            composed = self._sql.compose(statement, role=role, **names)
        else:
            statement = "set_system" if change.value_sql is not None else "reset_system"
            composed = self._sql.compose(statement, **names)
        connection.execute(composed, {})

    def _verify(self, changes: Sequence[Change]) -> tuple[Outcome, ...]:
        """Look until all hold or wait for a restart, or the time is over."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            facts = look_at_settings(self._database)
            outcomes = tuple(_outcome(change, facts) for change in changes)
            if all(one.state != "not seen" for one in outcomes) or time.monotonic() > end:
                return outcomes
            time.sleep(_POLL_SECONDS)


def _require_free(facts: Facts, changes: Sequence[Change]) -> None:
    """Raises SettingPinned for what the server's start gives."""
    for change in changes:
        one = None if change.role else facts.setting(change.name)
        if one is not None and change.value_sql is not None and pinned_by(one):
            raise SettingPinned(pinned_by(one), name=change.name)


def _outcome(change: Change, facts: Facts) -> Outcome:
    if change.role:
        return _of_role(change, facts)
    one = facts.setting(change.name)
    if one is None:
        return Outcome(label=change.label, state="not seen", now="")
    return Outcome(label=change.label, state=_state(change, one), now=shown(one.value, one.unit))


def _state(change: Change, one: Setting) -> State:
    if one.pending_restart:
        return "after restart"
    if not is_server_wide(one):
        return "hidden"
    if change.value_sql is None:
        return "not seen" if one.file.endswith("postgresql.auto.conf") else "holds"
    return "holds" if is_same(one.value, _text(change.value_sql), one.unit) else "not seen"


def _of_role(change: Change, facts: Facts) -> Outcome:
    roles = () if isinstance(facts.roles, Unlooked) else facts.roles
    found = next((one.settings.get(change.name) for one in roles if one.name == change.role), None)
    wanted = None if change.value_sql is None else _text(change.value_sql)
    state: State = "holds" if found == wanted else "hidden"
    return Outcome(label=change.label, state=state, now="–" if found is None else found)


def _text(value_sql: str) -> str:
    """The text of literals: 'a', 'b' is a, b."""
    parts = value_sql.split(", ")
    return ", ".join(part.removeprefix("E").strip("'").replace("''", "'") for part in parts)


def _is_weaker(change: Change) -> bool:
    if change.value_sql is None:
        # It was set because the files, or the server for this role, have the weaker value.
        return is_about_durability(change.name)
    return lowers_durability(change.name, _text(change.value_sql))
