"""Comparing what was restored with the manifest, exactly, and naming each difference once.

What a table that is missing takes along (columns, indexes, grants, sequences) is not told
again. Between two major versions the server may write the same expression in other words; where
nothing but such text differs, that is unknown. So are sums of servers that hash differently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from agentpg.desk.backup.model import Check, Difference
from agentpg.desk.backup.proof.manifest import (
    NOTHING,
    USER_MAPPING,
    Contents,
    Manifest,
    Position,
    Sums,
    Thing,
    is_hidden,
)
from agentpg.language import N_

# Facts that the server writes in its own words, or that are the installation's own.
_IN_WORDS = frozenset(
    (
        "aggregate", "base", "check", "collate", "ctype", "default", "definition", "index",
        "locale", "partition_key", "partition_of", "provider", "schemas", "tables", "using",
        "version", "with_check",
    )
)  # fmt: skip
_PUBLICATION = "pub"

# A right that servers from 17 on give to every owner.
_NEW_RIGHT = "MAINTAIN"

_MISSING = "missing"
_NONE = "none"

_DIFFERENT = N_("what was restored differs from the manifest")
_IN_OTHER_WORDS = N_("a server of another major version writes these in words of its own")
_HASHES_DIFFER = N_("this server computes other hashes or has another encoding than the source")
_NOT_READ = N_("rows could not be read: {reason}")
_LEFT_OUT = N_("{number} others are not compared: {names}")
_MOST_NAMES = 5

# Those that are stored with their values in them.
REASONS = (_NOT_READ, _LEFT_OUT)

_WENT_ROUND = N_("sequences that begin anew at their end may have done so")


def compare(expected: Manifest, found: Manifest) -> tuple[Check, ...]:
    """How a restored database compares with the manifest of its source, check by check."""
    return (
        compare_contents(expected, found),
        _compare_large_objects(expected, found),
        compare_sequences(expected, found),
        _compare_structure(expected, found),
        _compare_things("database", expected.database, found.database, expected, found),
        _compare_things("roles", expected.roles, _known(expected, found), expected, found),
    )


def compare_contents(expected: Manifest, found: Manifest) -> Check:
    """Table by table, rows and sums."""
    tables = dict(found.tables)
    if not expected.unlogged:
        tables = {name: table for name, table in tables.items() if not table.unlogged}
    comparable = _hash_alike(expected, found)
    differences = []
    unread = []
    for name in sorted({*expected.tables, *tables}):
        one, other = expected.tables.get(name), tables.get(name)
        if one is None or other is None:
            differences.append(_presence(f"table {name}", _said(one), _said(other)))
        elif one.sums is None or other.sums is None:
            unread.append(f"{name}: {one.reason or other.reason}")
        elif not _same(one.sums, other.sums, comparable) and not _moved(one, expected, found):
            differences.append(_rows_differ(name, one.sums, other.sums))
    return _contents_check(tuple(differences), unread, comparable, expected.not_proved)


def compare_sequences(expected: Manifest, found: Manifest) -> Check:
    """No sequence may be behind where it stood, nor behind its columns unless it was so."""
    differences: list[Difference] = []
    round_again: list[Difference] = []
    for name, position in expected.sequences.items():
        now = found.sequences.get(name)
        if now is None:
            if _stands_alone(expected, name) or not _owner_is_missing(expected, found, name):
                differences.append(_presence(f"sequence {name}", _stand(position), _MISSING))
        elif now.place < position.place:
            difference = Difference(
                subject=f"sequence {name}", expected=_stand(position), found=_stand(now)
            )
            (round_again if position.cycles else differences).append(difference)
        else:
            differences += _behind_columns(position, now)
    if differences:
        return _failed("sequence positions", tuple(differences))
    if round_again:
        return Check(
            name="sequence positions",
            outcome="unknown",
            reason=_WENT_ROUND,
            differences=tuple(round_again),
        )
    return Check(name="sequence positions", outcome="passed")


def _contents_check(
    differences: tuple[Difference, ...],
    unread: list[str],
    comparable: bool,
    left_out: tuple[str, ...],
) -> Check:
    if differences:
        return _failed("contents", differences)
    if unread:
        reason = _NOT_READ.format(reason="; ".join(unread))
        return Check(name="contents", outcome="unknown", reason=reason)
    if not comparable:
        return Check(name="contents", outcome="unknown", reason=_HASHES_DIFFER)
    if left_out:
        names = ", ".join(left_out[:_MOST_NAMES])
        reason = _LEFT_OUT.format(number=len(left_out), names=names)
        return Check(name="contents", outcome="passed", reason=reason)
    return Check(name="contents", outcome="passed")


def _hash_alike(expected: Manifest, found: Manifest) -> bool:
    return (expected.hash_probe, expected.encoding) == (found.hash_probe, found.encoding)


def _same(one: Sums, other: Sums, comparable: bool) -> bool:
    return one == other if comparable else one.rows == other.rows


def _moved(table: Contents, expected: Manifest, found: Manifest) -> bool:
    """Whether rows only went to other partitions: an enum's hash differs after a restore."""
    if not table.root:
        return False
    return _total(table.root, expected) == _total(table.root, found)


def _total(root: str, manifest: Manifest) -> Sums | None:
    total = NOTHING
    for table in manifest.tables.values():
        if table.root == root:
            if table.sums is None:
                return None
            total += table.sums
    return total


def _rows_differ(name: str, one: Sums, other: Sums) -> Difference:
    subject = f"table {name}"
    if one.rows != other.rows:
        return Difference(subject=subject, expected=_count(one), found=_count(other))
    return Difference(
        subject=subject,
        expected=f"{_count(one)} with the sum {_digest(one)}",
        found=f"{_count(other)} with the sum {_digest(other)}",
    )


def _count(sums: Sums) -> str:
    return f"{sums.rows:,} row{'' if sums.rows == 1 else 's'}"


def _digest(sums: Sums) -> str:
    return f"{sums.xor % 2**64:016x}{sums.sum % 2**64:016x}"


def _said(table: Contents | None) -> str:
    if table is None:
        return _MISSING
    return _count(table.sums) if table.sums else table.reason


def _presence(subject: str, expected: str, found: str) -> Difference:
    none = expected == _MISSING
    return Difference(subject=subject, expected=_NONE if none else expected, found=found)


def _compare_large_objects(expected: Manifest, found: Manifest) -> Check:
    comparable = _hash_alike(expected, found)
    pairs = (
        ("large objects", expected.large_objects, found.large_objects),
        ("contents of large objects", expected.large_pages, found.large_pages),
    )
    differences = tuple(
        Difference(
            subject=subject,
            expected=f"{one.rows:,} with the sum {_digest(one)}",
            found=f"{other.rows:,} with the sum {_digest(other)}",
        )
        for subject, one, other in pairs
        if not _same(one, other, comparable)
    )
    if differences:
        return _failed("large objects", differences)
    if not comparable and expected.large_objects.rows:
        return Check(name="large objects", outcome="unknown", reason=_HASHES_DIFFER)
    return Check(name="large objects", outcome="passed")


def _stand(position: Position) -> str:
    return f"{position.last:,}{'' if position.called else ', not yet given out'}"


def _stands_alone(manifest: Manifest, name: str) -> bool:
    thing = manifest.structure.get(f"sequence {name}")
    return thing is None or thing.belongs_to is None


def _owner_is_missing(expected: Manifest, found: Manifest, name: str) -> bool:
    return expected.structure[f"sequence {name}"].belongs_to not in found.structure


def _behind_columns(expected: Position, found: Position) -> Iterator[Difference]:
    for column in found.columns:
        was_behind = column in expected.columns and expected.is_behind(column)
        if found.is_behind(column) and not was_behind:
            yield Difference(
                subject=f"sequence {found.name}",
                expected=f"at or beyond {found.columns[column]:,}, which is in {column}",
                found=_stand(found),
            )


def _compare_structure(expected: Manifest, found: Manifest) -> Check:
    """All objects, but for tables and sequences that are there or not: others tell that."""
    told = {f"table {name}" for name in {*expected.tables, *found.tables}}
    told |= {f"sequence {name}" for name in expected.sequences}
    one = expected.structure
    # A manifest of before they were in it says nothing of them, and no restore invents one.
    other = {
        key: thing
        for key, thing in found.structure.items()
        if thing.kind != USER_MAPPING or key in one
    }
    return _compare_things("catalogue", one, other, expected, found, told)


def _known(expected: Manifest, found: Manifest) -> dict[str, Thing]:
    """The found roles that the source has as well: others of that cluster are no loss."""
    return {key: role for key, role in found.roles.items() if key in expected.roles}


def _compare_things(
    name: str,
    one: Mapping[str, Thing],
    other: Mapping[str, Thing],
    expected: Manifest,
    found: Manifest,
    told: set[str] | frozenset[str] = frozenset(),
) -> Check:
    sure: list[Difference] = []
    in_words: list[Difference] = []
    for key in sorted({*one, *other}):
        thing = one.get(key) or other[key]
        if key in one and key in other:
            facts = _facts_that_differ(one[key], other[key], expected.major != found.major)
            if facts:
                only_words = expected.major != found.major and all(map(_is_in_words, facts))
                (in_words if only_words else sure).append(_facts_differ(thing, facts))
        elif key not in told and not _goes_with_another(thing, one, other):
            there, missing = _summary(thing.facts), _MISSING
            pair = (there, missing) if key in one else (missing, there)
            sure.append(_presence(thing.key, *pair))
    if sure:
        return _failed(name, tuple(chain(sure, in_words)))
    if in_words:
        return Check(
            name=name, outcome="unknown", reason=_IN_OTHER_WORDS, differences=tuple(in_words)
        )
    return Check(name=name, outcome="passed")


def _goes_with_another(thing: Thing, one: Mapping[str, Thing], other: Mapping[str, Thing]) -> bool:
    """Whether what it belongs to is itself on one side only."""
    return thing.belongs_to is not None and (thing.belongs_to in one) != (thing.belongs_to in other)


def _facts_that_differ(one: Thing, other: Thing, majors_differ: bool) -> dict[str, tuple[Any, Any]]:
    if is_hidden(one) or is_hidden(other):
        # That is told with what is not proved.
        return {}
    if one.kind == "columns of" and _names(one) != _names(other):
        # Which ones differ is told column by column.
        return {}
    facts = {
        key: (one.facts.get(key), other.facts.get(key)) for key in {**one.facts, **other.facts}
    }
    if majors_differ and one.kind in ("grants on", "default privileges"):
        facts = {key: (_old_rights(a), _old_rights(b)) for key, (a, b) in facts.items()}
    return {key: pair for key, pair in facts.items() if pair[0] != pair[1]}


def _names(thing: Thing) -> list[str]:
    return sorted(thing.facts["order"])


def _old_rights(rights: str | None) -> str | None:
    if rights is None:
        return None
    return ", ".join(one for one in rights.split(", ") if not one.startswith(_NEW_RIGHT))


def _is_in_words(fact: str) -> bool:
    return fact in _IN_WORDS or fact.startswith(_PUBLICATION)


def _facts_differ(thing: Thing, facts: Mapping[str, tuple[Any, Any]]) -> Difference:
    return Difference(
        subject=thing.key,
        expected=_summary({key: pair[0] for key, pair in facts.items()}),
        found=_summary({key: pair[1] for key, pair in facts.items()}),
    )


def _summary(facts: Mapping[str, Any]) -> str:
    said = (f"{key}: {_NONE if value is None else value}" for key, value in sorted(facts.items()))
    return "; ".join(said) or "nothing to be said of it"


def _failed(name: str, differences: tuple[Difference, ...]) -> Check:
    return Check(name=name, outcome="failed", reason=_DIFFERENT, differences=differences)
