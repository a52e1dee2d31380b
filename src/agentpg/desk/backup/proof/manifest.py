"""The manifest: what a database holds at one moment, so that a restore can be compared exactly.

For every table and partition it has the number of rows and two sums over them (`Sums`); where
each sequence stands; the same sums over large objects; every object's definition, owner and
grants by name (`structure`); the database's own settings, and the cluster's roles.

It says nothing about foreign tables, about what materialized views hold, about tablespaces and
passwords of roles, and about rows of extensions that no dump takes along; `not_proved` names those
that there are, and user mappings whose options the role could not see. Of those that it could see,
it has the options' names and a hash of each value.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from agentpg.desk.backup.model import FORMAT
from agentpg.errors import RecordDamaged, RecordTooNew
from agentpg.language import N_

T = TypeVar("T")

_NOT_A_MANIFEST = N_("its manifest lacks {key}, or has it in another form")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """A number of rows, and what their texts' hashes come to: see contents.py."""

    rows: int
    xor: int
    sum: int

    def __add__(self, other: Sums) -> Sums:
        """Of both together."""
        return Sums(rows=self.rows + other.rows, xor=self.xor ^ other.xor, sum=self.sum + other.sum)


NOTHING = Sums(rows=0, xor=0, sum=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The rows of one table or partition.

    `ours` says that it is of agentpg's schema; `root` is the topmost table that it is a
    partition of. `sums` is None where they could not be had, and `reason` says why.
    """

    name: str
    sums: Sums | None
    ours: bool = False
    unlogged: bool = False
    root: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a sequence stands: the last value, and whether it has been given out.

    `columns` has the furthest value that stands in each column that it counts.
    """

    name: str
    last: int
    called: bool
    ascending: bool = True
    cycles: bool = False
    columns: Mapping[str, int] = field(default_factory=dict)

    @property
    def place(self) -> tuple[int, bool]:
        """The larger it is, the further the sequence has come."""
        return (self.last if self.ascending else -self.last, self.called)

    def is_behind(self, column: str) -> bool:
        """Whether it has yet to come to a value that stands in the column already."""
        value = self.columns[column]
        return self.place < (value if self.ascending else -value, True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """An object with what is to be known of it. `belongs_to` is the key of another one."""

    kind: str
    name: str
    belongs_to: str | None
    facts: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What it is called in the manifest."""
        return f"{self.kind} {self.name}"


# How a server's roles are others on foreign servers.
USER_MAPPING = "user mapping"


def is_hidden(thing: Thing) -> bool:
    """Whether its options were not to be seen by the role that looked."""
    return thing.kind == USER_MAPPING and thing.facts.get("options") == "hidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a database holds at one moment.

    `taken_at` is that moment by its own clock, `lsn` the position in its WAL. `unlogged` says
    whether the rows of unlogged tables are in it. `hash_probe` is a known hash by this server:
    where another one differs, its sums can't be compared.
    """

    schema: str
    server_version: int
    taken_at: datetime
    lsn: str
    encoding: str
    hash_probe: str
    unlogged: bool
    tables: Mapping[str, Contents]
    sequences: Mapping[str, Position]
    large_objects: Sums
    large_pages: Sums
    structure: Mapping[str, Thing]
    database: Mapping[str, Thing]
    roles: Mapping[str, Thing]
    not_proved: tuple[str, ...] = ()

    @property
    def behind(self) -> list[tuple[str, str]]:
        """The sequences that would give numbers that are taken, and where those stand."""
        return [
            (name, column)
            for name, position in self.sequences.items()
            for column in position.columns
            if position.is_behind(column)
        ]

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.sums.rows for table in self.tables.values() if table.sums)

    @property
    def major(self) -> int:
        """The server's major version."""
        return self.server_version // 10000

    @property
    def catalogue_hash(self) -> str:
        """One hash over the definitions of all objects: of the JSON of their list."""
        digest = hashlib.sha256(b"[")
        for number, thing in enumerate(_things(self.structure)):
            text = json.dumps(thing, sort_keys=True, ensure_ascii=True)
            digest.update(f", {text}".encode() if number else text.encode())
        digest.update(b"]")
        return digest.hexdigest()

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "format": FORMAT,
            **{
                name: getattr(self, name)
                for name in ("schema", "server_version", "lsn", "encoding", "hash_probe")
            },
            "taken_at": self.taken_at.isoformat(),
            "unlogged": self.unlogged,
            "rows": self.rows,
            "catalogue_hash": self.catalogue_hash,
            "tables": [dataclasses.asdict(table) for table in self.tables.values()],
            "sequences": [dataclasses.asdict(sequence) for sequence in self.sequences.values()],
            "large_objects": dataclasses.asdict(self.large_objects),
            "large_pages": dataclasses.asdict(self.large_pages),
            "structure": _things(self.structure),
            "database": _things(self.database),
            "roles": _things(self.roles),
            "not_proved": list(self.not_proved),
        }

    @classmethod
    def parse(cls, document: Any, backup: str = "") -> Manifest:
        """What `document` said. Raises RecordTooNew and RecordDamaged, of `backup`."""
        if not isinstance(document, Mapping):
            raise RecordDamaged(_NOT_A_MANIFEST.format(key="format"), name=backup)
        said = _Reader(document, backup)
        found = int(said.value("format", int))
        if found > FORMAT:
            raise RecordTooNew(name=backup, format=found)
        manifest = cls(
            schema=said.value("schema", str),
            server_version=said.value("server_version", int),
            taken_at=said.moment("taken_at"),
            lsn=said.value("lsn", str),
            encoding=said.value("encoding", str),
            hash_probe=said.value("hash_probe", str),
            unlogged=said.value("unlogged", bool),
            tables={one.name: one for one in said.each("tables", _contents)},
            sequences={one.name: one for one in said.each("sequences", Position)},
            large_objects=said.one("large_objects", Sums),
            large_pages=said.one("large_pages", Sums),
            structure=by_key(said.each("structure", Thing)),
            database=by_key(said.each("database", Thing)),
            roles=by_key(said.each("roles", Thing)),
            not_proved=tuple(said.value("not_proved", list)),
        )
        for key in ("rows", "catalogue_hash"):
            if document.get(key) != getattr(manifest, key):
                raise RecordDamaged(_NOT_A_MANIFEST.format(key=key), name=backup)
        return manifest


def by_key(things: Sequence[Thing]) -> dict[str, Thing]:
    """Objects by their keys, in the order of these."""
    return {thing.key: thing for thing in sorted(things, key=lambda thing: thing.key)}


def _things(things: Mapping[str, Thing]) -> list[dict[str, Any]]:
    """As JSON has them; what is known of each is not copied, since there may be many."""
    names = [field.name for field in dataclasses.fields(Thing)]
    return [{name: getattr(thing, name) for name in names} for thing in things.values()]


def _contents(**said: Any) -> Contents:
    sums = said.pop("sums")
    return Contents(sums=None if sums is None else Sums(**sums), **said)


class _Reader:
    """Reads values of a document, and says which one is wrong."""

    def __init__(self, document: Mapping[str, Any], backup: str) -> None:
        self._document = document
        self._backup = backup

    def value(self, key: str, kind: type[T]) -> T:
        value = self._document.get(key)
        if not isinstance(value, kind):
            raise self._damaged(key)
        return value

    def moment(self, key: str) -> datetime:
        try:
            return datetime.fromisoformat(self.value(key, str))
        except ValueError:
            raise self._damaged(key) from None

    def one(self, key: str, make: Any) -> Any:
        return self._made(key, make, self.value(key, dict))

    def each(self, key: str, make: Any) -> list[Any]:
        return [self._made(key, make, said) for said in self.value(key, list)]

    def _made(self, key: str, make: Any, said: Any) -> Any:
        try:
            return make(**said)
        except (TypeError, KeyError):
            raise self._damaged(key) from None

    def _damaged(self, key: str) -> RecordDamaged:
        return RecordDamaged(_NOT_A_MANIFEST.format(key=key), name=self._backup)
