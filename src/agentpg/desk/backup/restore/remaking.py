"""Making tables that are gone again, and what went with them.

What is a table's own (indexes, constraints, triggers, policies, grants, numbers) comes back with
it or not at all. What others had because of it went with it too: foreign keys that named it, views,
rules, policies, its place in publications. That is made again as well, each by itself: what
does not fit any more is named, with the SQL that makes it, and keeps no row from coming back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from agentpg.db import Connection, Fragment, ServerError, Statements, render, server_message
from agentpg.desk.backup.restore.outline import Outline
from agentpg.desk.backup.restore.tables import EVERYTHING, Table, parts_of
from agentpg.language import N_

# Why a thing is not made again, apart from what the server says.
NEEDS = N_("needs {things}")

# What the server says of a thing that is not there, or is another one of the name.
_NOT_THERE = frozenset(("42704", "42P01", "42883", "42703", "3F000", "42809"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """What went with a table that is gone: what it is, and the SQL that makes it.

    `reason` says why it is not made again; empty where it is.
    """

    name: str
    sql: str
    reason: str = ""


class Thing(NamedTuple):
    """An entry of the outline: how it is found elsewhere, and what removes it.

    `relation` is what it belongs to, 0 where it stands for itself.
    """

    catalogue: int
    oid: int
    kind: str
    names: list[str]
    arguments: list[str]
    identity: str
    relation: int
    joins: bool
    removal: str

    def __str__(self) -> str:
        return f"{self.kind} {self.identity}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaking:
    """What is made: `tables` with all that is in `own`; then `others`, by their number, and what
    stands `within` other tables.

    `removals` undo the others, the last one first; `views` are filled at the end.
    """

    tables: tuple[Table, ...] = ()
    own: frozenset[int] = frozenset()
    numbers: tuple[str, ...] = ()
    others: Mapping[int, Dependent]
    within: tuple[Dependent, ...] = ()
    left: tuple[Dependent, ...] = ()
    views: Mapping[int, str]
    removals: tuple[str, ...] = ()

    @property
    def dependents(self) -> tuple[Dependent, ...]:
        """All that went with the tables."""
        return (*self.others.values(), *self.within, *self.left)


NOTHING = Remaking(others={}, views={})


def plan_remaking(
    outline: Outline,
    restored: Connection[Any],
    live: Connection[Any],
    sql: Statements,
    gone: Sequence[Table],
) -> Remaking:
    """What is to be made for these tables to be there as they were."""
    return _Planner(outline, restored, live, sql).plan(gone)


class _Planner:
    """Looks at both sides and decides."""

    def __init__(
        self, outline: Outline, restored: Connection[Any], live: Connection[Any], sql: Statements
    ) -> None:
        self._outline, self._restored, self._live, self._sql = outline, restored, live, sql
        self._there: dict[int, bool] = {}
        self._things: dict[int, Thing] = {}

    def plan(self, gone: Sequence[Table]) -> Remaking:
        oids = self._oids(gone)
        roots = {
            entry.number
            for entry in self._outline.entries.values()
            if (entry.catalogue, entry.oid) in oids
        }
        self._identify(roots)
        relations = {oid for _, oid in oids}
        wanted = self._wanted(roots)
        chosen, lacking = self._possible(wanted, roots)
        own = self._own(chosen, roots, relations)
        others = [n for n in self._outline.entries if n in chosen - own and n in self._things]
        made = relations | {self._things[n].oid for n in others}
        within = self._within(chosen)
        return Remaking(
            tables=tuple(gone),
            own=frozenset(own),
            numbers=tuple(self._things[n].identity for n in own if self._is(n, "sequence")),
            others={n: self._dependent(n) for n in others},
            within=tuple(Dependent(name=str(thing), sql=script) for thing, script in within),
            left=tuple(
                self._dependent(n, lacking[n]) for n in self._outline.entries if n in lacking
            ),
            views={n: self._things[n].identity for n in others if self._is_filled(n)},
            removals=tuple(
                thing.removal
                for thing in (
                    *(one for one, _ in within),
                    *(self._things[n] for n in reversed(others)),
                )
                if thing.relation not in made
            ),
        )

    def _oids(self, gone: Sequence[Table]) -> set[tuple[int, int]]:
        asked = {"tables": [table.path for table in gone]}
        return {(row[0], row[1]) for row in self._restored.execute(self._sql["table_oids"], asked)}

    def _identify(self, roots: set[int]) -> None:
        """Ask what all is that may be concerned: what needs these, and what that needs."""
        reached, waiting = set(roots), list(roots)
        while waiting:
            users = set(self._outline.users(waiting.pop())) - reached
            reached |= users
            waiting += users
        entries = self._outline.entries
        reached |= {need for n in reached for need in entries[n].needs if need in entries}
        asked = [entries[n] for n in reached if not entries[n].belongs]
        things = self._known([(e.catalogue, e.oid) for e in asked])
        self._things = {
            e.number: things[e.catalogue, e.oid] for e in asked if (e.catalogue, e.oid) in things
        }

    def _known(self, asked: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Thing]:
        catalogues, oids = [one[0] for one in asked], [one[1] for one in asked]
        rows = self._restored.execute(
            self._sql["identify"], {"catalogues": catalogues, "oids": oids}
        )
        return {(row[0], row[1]): Thing(*row) for row in rows}

    def _within(self, chosen: set[int]) -> list[tuple[Thing, str]]:
        """What tables that are there have lost, and what is no entry by itself."""
        needed = [self._things[n] for n in chosen & self._things.keys()]
        asked = {"catalogues": [t.catalogue for t in needed], "oids": [t.oid for t in needed]}
        [(path, *_)] = self._restored.execute(self._sql["say_names_in_full"]).fetchall()
        rows = self._restored.execute(self._sql["within_others"], asked).fetchall()
        self._restored.execute(self._sql["say_names_as_before"], {"path": path})
        entries = {(t.catalogue, t.oid) for t in self._things.values()}
        scripts = {(row[0], row[1]): row[2] for row in rows if (row[0], row[1]) not in entries}
        things = self._known(list(scripts))
        tables = {t.oid for t in needed} | self._missing_tables()
        return [
            (thing, scripts[key])
            for key, thing in things.items()
            if thing.relation not in tables and not self._found(thing)
        ]

    def _missing_tables(self) -> set[int]:
        return {
            t.oid for n, t in self._things.items() if t.kind == "table" and not self._is_there(n)
        }

    def _wanted(self, roots: set[int]) -> set[int]:
        """What needs the tables and is not there, with what belongs to it."""
        wanted, waiting = set(roots), list(roots)
        while waiting:
            number = waiting.pop()
            found = set(self._outline.users(number))
            if self._is(number, "rule"):
                # A view that groups by a key is made in two steps; the table shows in the second.
                found |= {n for n in self._outline.entries[number].needs if self._is(n, "view")}
            for one in found - wanted:
                if self._outline.entries[one].belongs or self._is_lost(one):
                    wanted.add(one)
                    waiting.append(one)
        return wanted

    def _is_lost(self, number: int) -> bool:
        """Whether it has gone with a table; a table that is not there went by itself."""
        return number in self._things and not (self._is(number, "table") or self._is_there(number))

    def _possible(self, wanted: set[int], roots: set[int]) -> tuple[set[int], dict[int, str]]:
        """What can be made, and what something is lacking for that did not go with the tables."""
        chosen = set(wanted)
        lacking: dict[int, str] = {}
        while True:
            short = {n: self._lacked(n, chosen) for n in chosen - roots}
            short = {n: needs for n, needs in short.items() if needs}
            if not short:
                return chosen, lacking
            chosen -= short.keys()
            for number, needs in short.items():
                thing = self._things.get(number)
                # What belongs to a table that is not there comes with that.
                if thing is not None and not any(
                    self._things[n].oid == thing.relation for n in needs
                ):
                    needed = ", ".join(str(self._things[n]) for n in sorted(needs))
                    lacking[number] = NEEDS.format(things=needed)

    def _lacked(self, number: int, chosen: set[int]) -> set[int]:
        needs = self._outline.entries[number].needs & self._things.keys()
        return {n for n in needs if n not in chosen and not self._is_there(n)}

    def _own(self, chosen: set[int], roots: set[int], relations: set[int]) -> set[int]:
        """The tables, what is theirs, and what that can't be made without."""
        own = {
            n
            for n in chosen & self._things.keys()
            if n in roots or (self._things[n].relation in relations and not self._things[n].joins)
        }
        waiting = list(own)
        while waiting:
            more = (self._outline.entries[waiting.pop()].needs & chosen) - own
            own |= more
            waiting += more
        return own | {
            n for n in chosen if self._outline.entries[n].needs & own and self._belongs(n)
        }

    def _belongs(self, number: int) -> bool:
        return self._outline.entries[number].belongs

    def _is(self, number: int, kind: str) -> bool:
        return number in self._things and self._things[number].kind == kind

    def _is_filled(self, number: int) -> bool:
        if not self._is(number, "materialized view"):
            return False
        asked = {"oid": self._things[number].oid}
        [(filled,)] = self._restored.execute(self._sql["is_filled"], asked).fetchall()
        return bool(filled)

    def _is_there(self, number: int) -> bool:
        if number not in self._there:
            self._there[number] = self._found(self._things[number])
        return self._there[number]

    def _found(self, thing: Thing) -> bool:
        asked = {"kind": thing.kind, "names": thing.names, "arguments": thing.arguments}
        try:
            with self._live.transaction():
                self._live.execute(self._sql["find_thing"], asked)
        except ServerError as error:
            if error.sqlstate not in _NOT_THERE:
                raise
            return False
        return True

    def _dependent(self, number: int, lacking: str = "") -> Dependent:
        script = self._outline.script({number} | self._outline.attached(number))
        return Dependent(name=str(self._things[number]), sql=script, reason=lacking)


def make_tables(
    outline: Outline,
    remaking: Remaking,
    restored: Connection[Any],
    live: Connection[Any],
    sql: Statements,
) -> None:
    """Make the tables with their rows, as yet without keys, triggers and the like."""
    _run_script(live, sql, outline.script(remaking.own, "pre-data"))
    for table in remaking.tables:
        _copy(restored, live, sql, table)
    for sequence in remaking.numbers:
        name = Fragment(sequence)
        [(last, called)] = restored.execute(sql.compose("position", sequence=name), {}).fetchall()
        asked = {"sequence": sequence, "last": last, "called": called}
        live.execute(sql["set_position"], asked)


def finish_tables(
    outline: Outline, remaking: Remaking, live: Connection[Any], sql: Statements
) -> tuple[Dependent, ...]:
    """Make the rest of the tables, and what went with them; all of that, with what failed."""
    _run_script(live, sql, outline.script(remaking.own, "post-data"))
    made = {n: _tried(live, sql, one, one.sql) for n, one in remaking.others.items()}
    for number, view in remaking.views.items():
        if not made[number].reason:
            filling = sql.compose("fill_view", view=Fragment(view)).as_string(live)
            filled = _tried(live, sql, replace(made[number], sql=f"{filling};"), filling)
            made[number] = filled if filled.reason else made[number]
    for table in remaking.tables:
        live.execute(sql.compose("analyze_table", table=Fragment(table.path)), {})
    within = [_tried(live, sql, one, one.sql) for one in remaking.within]
    return (*made.values(), *within, *remaking.left)


def _tried(live: Connection[Any], sql: Statements, one: Dependent, script: str) -> Dependent:
    try:
        with live.transaction():
            _run_script(live, sql, script)
    except ServerError as error:
        return replace(one, reason=server_message(error))
    return one


def _run_script(live: Connection[Any], sql: Statements, script: str) -> None:
    """Run what pg_restore wrote; triggers of other tables want the search_path that was."""
    if not script:
        return
    [(path, *_)] = live.execute(sql["say_names_in_full"]).fetchall()
    live.execute(script.encode())
    live.execute(sql["say_names_as_before"], {"path": path})


def _copy(restored: Connection[Any], live: Connection[Any], sql: Statements, table: Table) -> None:
    """Bring the rows of a table that has just been made."""
    if not table.columns:
        return
    source = {**parts_of(table, "", EVERYTHING), "table": Fragment(f"ONLY {table.path}")}
    target = {**source, "staging": Fragment(table.path)}
    with (
        restored.cursor().copy(
            render(restored, sql.compose("copy_out", **source)).encode()
        ) as read,
        live.cursor().copy(render(restored, sql.compose("copy_in", **target)).encode()) as write,
    ):
        for piece in read:
            write.write(piece)
