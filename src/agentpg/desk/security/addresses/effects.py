"""What pg_hba.conf does, whatever it says: who gets in from where, by which line and how.

Roles and databases that no line tells apart are one: their effects are computed once. Origins are
the socket, loopback, one address of each network that a line names, and one of none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agentpg.desk.check import Unlooked
from agentpg.desk.hba.matching import Asked, Match, first_of, line_fits
from agentpg.desk.hba.origins import Origin, origins_of
from agentpg.desk.hba.reading import Field, Line, Word
from agentpg.desk.security.addresses.facts import Facts, Role

REPLICATION = "replication"


@dataclass(frozen=True, slots=True)
class Effect:
    """The line that decides for these roles, databases, origin and encryption."""

    roles: tuple[Role, ...]
    databases: tuple[str, ...]
    origin: Origin
    tls: bool
    match: Match

    @property
    def lets_in(self) -> bool:
        """Whether the line lets anybody in, by whatever proof."""
        return self.match.number > 0 and self.match.method != "reject"


def effects(
    facts: Facts, lines: Sequence[Line] | None = None, beside: Sequence[Line] = ()
) -> tuple[Effect, ...]:
    """Every effect of these lines, by default of those that are there; none where who may log in
    is not known. What the lines `beside` them tell apart is told apart too, for comparing."""
    if lines is None:
        lines = () if isinstance(facts.lines, Unlooked) else facts.lines
    if isinstance(facts.roles, Unlooked) or isinstance(facts.databases, Unlooked):
        return ()
    if isinstance(facts.server, Unlooked):
        return ()
    apart = (*lines, *beside)
    told = _Told(lines, apart, origins_of(apart), facts.server.has_tls)
    base = Asked(
        user="",
        database="",
        address="",
        tls=False,
        major=facts.server.major,
        local=not isinstance(facts.folder, Unlooked),
        known=facts.known,
    )
    return tuple(_effects(told, facts.roles, facts.databases, base))


@dataclass(frozen=True, slots=True)
class _Told:
    """The lines that decide, those by which roles and databases are told apart, the origins, and
    whether there is TLS."""

    lines: Sequence[Line]
    apart: Sequence[Line]
    origins: Sequence[Origin]
    has_tls: bool


def _effects(
    told: _Told, roles: Sequence[Role], databases: Sequence[str], asked: Asked
) -> Iterator[Effect]:
    for alike in _alike_roles(told.apart, roles, databases, asked):
        own = replace(asked, user=alike[0].name)
        for names in _alike_databases(told.apart, databases, own):
            yield from _from_everywhere(told, replace(own, database=names[0]), alike, names)
        if alike[0].is_powerful:
            yield from _from_everywhere(told, replace(own, replication=True), alike, (REPLICATION,))


def _from_everywhere(
    told: _Told, asked: Asked, roles: tuple[Role, ...], databases: tuple[str, ...]
) -> Iterator[Effect]:
    lines = [line for line in told.lines if _may_be_for(line, asked)]
    for origin in told.origins:
        for tls in (False, True) if origin.address and told.has_tls else (False,):
            here = replace(asked, address=origin.address, tls=tls)
            yield Effect(roles, databases, origin, tls, first_of(lines, here))


def _may_be_for(line: Line, asked: Asked) -> bool:
    """Whether it is for the role and the database, wherever they come from."""
    # Of the role alone, also where all is copied: `all` means no replication.
    is_for_role = _fits_roles(line.roles, replace(asked, replication=False)) is not False
    return is_for_role and _fits_databases(line.databases, asked) is not False


def _alike_roles(
    lines: Sequence[Line], roles: Sequence[Role], databases: Sequence[str], asked: Asked
) -> list[tuple[Role, ...]]:
    """Those that the lines do not tell apart."""
    found: dict[object, list[Role]] = {}
    fields = sorted({line.roles for line in lines}, key=str)
    own = _own_names(lines)
    for role in roles:
        one = replace(asked, user=role.name)
        key = (
            tuple(_fits_roles(field, one) for field in fields),
            frozenset(role.groups) & frozenset(databases) if own else None,
            role.name in databases and own,
            role.is_superuser,
            role.replicates,
        )
        found.setdefault(key, []).append(role)
    return [tuple(alike) for alike in found.values()]


def _alike_databases(
    lines: Sequence[Line], databases: Sequence[str], asked: Asked
) -> list[tuple[str, ...]]:
    found: dict[object, list[str]] = {}
    fields = sorted({line.databases for line in lines}, key=str)
    for name in databases:
        one = replace(asked, database=name)
        key = tuple(_fits_databases(field, one) for field in fields)
        found.setdefault(key, []).append(name)
    return [tuple(alike) for alike in found.values()]


def _own_names(lines: Sequence[Line]) -> bool:
    special = ("sameuser", "samerole", "samegroup")
    return any(word.text in special for line in lines for word in line.databases)


_ALL: Field = (Word("all"),)


def _fits_roles(field: Field, asked: Asked) -> bool | None:
    return line_fits(Line("", 1, "", ((Word("local"),), _ALL, field, (Word("x"),))), asked)


def _fits_databases(field: Field, asked: Asked) -> bool | None:
    return line_fits(Line("", 1, "", ((Word("local"),), field, _ALL, (Word("x"),))), asked)
