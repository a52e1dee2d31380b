"""What a plan asks of its tables: conditions, joins and orders, column by column.

They are read from the plan as EXPLAIN (VERBOSE) writes them, where each column has its table's
alias. What is not understood, such as OR or a function of a column, is left out: no index is
proposed for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from agentpg.desk.tune.plans.tree import Node, Plan

Kind = Literal["equal", "below", "above", "any", "null", "not null", "true", "false"]

_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_CAST = r"(?:::[\w .\"\[\](),]+?)?"
_COLUMN = rf"\(*(?P<alias>{_NAME})\.(?P<column>{_NAME})\)*{_CAST}\)*"

_IS_NULL = re.compile(rf"{_COLUMN} IS (?P<no>NOT )?NULL")
_TRUTH = re.compile(rf"(?P<no>NOT )?{_COLUMN}")
_COMPARED = re.compile(rf"{_COLUMN} (?P<sign><=|>=|<|>|=)(?P<any> ANY)? (?P<value>.+)", re.DOTALL)
_OTHER = re.compile(rf"\(*(?P<alias>{_NAME})\.(?P<column>{_NAME})\)*{_CAST}\)*")
_PARAMETER = re.compile(r"\(*\$(\d+)\)*(?:::.+)?")
_SORTED = re.compile(
    rf"\(*(?P<alias>{_NAME})\.(?P<column>{_NAME})\)*(?P<order>( (DESC|NULLS FIRST|NULLS LAST))*)"
)

_SIGNS: dict[str, Kind] = {"=": "equal", "<": "below", "<=": "below", ">": "above", ">=": "above"}

_CONDITIONS = ("Filter", "Index Cond", "Recheck Cond")
_JOINS = ("Hash Cond", "Merge Cond", "Join Filter")
_SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is asked of a column. `parameter` is the number of $n that it is compared with; 0 is
    none. `other` is the table and column that it is joined with."""

    table: str
    column: str
    kind: Kind
    parameter: int = 0
    other: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a plan asks of one table: by conditions, and in an order that is cut short.

    `scanned` if it is read as a whole. `order` has each column with its direction.
    """

    table: str
    scanned: bool
    conditions: tuple[Condition, ...]
    joins: tuple[Condition, ...]
    order: tuple[tuple[str, str], ...] = ()


def asked_of_tables(plan: Plan) -> tuple[Asked, ...]:
    """What the plan asks of each table, in each place where it reads it."""
    aliases = {
        str(node.said["Alias"]): node.relation
        for node in plan.root
        if node.kind in _SCANS and node.relation and "Alias" in node.said
    }
    joins = [one for node in plan.root for one in _joins(node, aliases)]
    found = []
    for node in plan.root:
        if node.kind not in _SCANS or not node.relation:
            continue
        table, alias = node.relation, str(node.said.get("Alias", ""))
        found.append(
            Asked(
                table=table,
                scanned=node.kind == "Seq Scan",
                conditions=tuple(_conditions(node, aliases)),
                joins=tuple(one for one in joins if one.table == table),
                order=_order_of(plan.root, alias),
            )
        )
    return tuple(found)


def _conditions(node: Node, aliases: dict[str, str]) -> Iterator[Condition]:
    below = [node, *(one for one in node.children if one.kind == "Bitmap Index Scan")]
    texts = [str(one.said[key]) for one in below for key in _CONDITIONS if key in one.said]
    for text in dict.fromkeys(texts):
        for part in parts_of(text):
            condition = _read(part, aliases, str(node.said.get("Alias", "")))
            if condition is not None and condition.other is None:
                yield condition


def _joins(node: Node, aliases: dict[str, str]) -> Iterator[Condition]:
    for key in (*_JOINS, "Index Cond", "Filter"):
        for part in parts_of(str(node.said.get(key, ""))):
            one = _read(part, aliases, "")
            if one is None or one.other is None or one.kind != "equal":
                continue
            yield one
            table, column = one.other
            yield Condition(table=table, column=column, kind="equal", other=(one.table, one.column))


def parts_of(text: str) -> tuple[str, ...]:
    """What is joined by AND at the top; nothing where an OR is there.

    >>> parts_of("((t.a = $1) AND (t.b > 'x AND y'::text))")
    ('t.a = $1', "t.b > 'x AND y'::text")
    """
    text = _bare(text.strip())
    if not text or _split(text, " OR ")[1:]:
        return ()
    return tuple(_bare(part) for part in _split(text, " AND "))


def _bare(text: str) -> str:
    """Without parentheses around all of it."""
    while text.startswith("(") and _closes_at(text) == len(text) - 1:
        text = text[1:-1]
    return text


def _closes_at(text: str) -> int:
    depth = 0
    for place, sign in _outside_quotes(text):
        depth += (sign == "(") - (sign == ")")
        if not depth:
            return place
    return -1


def _split(text: str, by: str) -> list[str]:
    depth, begin, found = 0, 0, []
    for place, sign in _outside_quotes(text):
        depth += (sign == "(") - (sign == ")")
        if not depth and sign == " " and text.startswith(by, place) and place >= begin:
            found.append(text[begin:place])
            begin = place + len(by)
    return [*found, text[begin:]]


def _outside_quotes(text: str) -> Iterator[tuple[int, str]]:
    quote = ""
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        else:
            yield place, sign


def _read(part: str, aliases: dict[str, str], only: str) -> Condition | None:
    """One condition; None where it is not understood, or of another table than `only`."""
    for pattern, read in ((_IS_NULL, _null), (_COMPARED, _compared), (_TRUTH, _truth)):
        found = pattern.fullmatch(part)
        if found and found["alias"] in aliases and only in ("", found["alias"]):
            return read(found, aliases)
    return None


def _null(found: re.Match[str], aliases: dict[str, str]) -> Condition:
    kind: Kind = "not null" if found["no"] else "null"
    return Condition(table=aliases[found["alias"]], column=_plain(found["column"]), kind=kind)


def _truth(found: re.Match[str], aliases: dict[str, str]) -> Condition:
    kind: Kind = "false" if found["no"] else "true"
    return Condition(table=aliases[found["alias"]], column=_plain(found["column"]), kind=kind)


def _compared(found: re.Match[str], aliases: dict[str, str]) -> Condition | None:
    value = found["value"]
    other = _OTHER.fullmatch(value)
    named = re.search(rf"(?<![\w'\"$.])({_NAME})\.{_NAME}", re.sub(r"'[^']*'", "''", value))
    if named and named[1] in aliases and not other:
        # A reckoning with another column.
        return None
    parameter = _PARAMETER.fullmatch(value)
    kind: Kind = "any" if found["any"] else _SIGNS[found["sign"]]
    joined = None
    if other and other["alias"] in aliases:
        joined = (aliases[other["alias"]], _plain(other["column"]))
    return Condition(
        table=aliases[found["alias"]],
        column=_plain(found["column"]),
        kind=kind,
        parameter=int(parameter[1]) if parameter else 0,
        other=joined,
    )


def _order_of(root: Node, alias: str) -> tuple[tuple[str, str], ...]:
    """The order in which the rows of one table are wanted, where only the first are wanted."""
    for node in root:
        if node.kind != "Limit" or not node.children:
            continue
        sort = node.children[0]
        sorted_by = [_SORTED.fullmatch(str(key)) for key in sort.said.get("Sort Key") or ()]
        if sorted_by and all(one and one["alias"] == alias for one in sorted_by):
            return tuple((_plain(one["column"]), one["order"].strip()) for one in sorted_by if one)
    return ()


def _plain(name: str) -> str:
    """A name without its quotes."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
