"""One form for conditions that the server prints in two: as they were written, and restored.

Of `word IN ('a', 'b')`, where `word` is a varchar, the server keeps a cast of the whole array;
restored from what it prints, it keeps a cast of each element. `n BETWEEN 1 AND 5 AND m` is a
conjunction within one; restored, it is one of three.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_QUOTED = r"\"(?:[^\"]|\"\")+\""
_NAME = rf"(?:{_QUOTED}|[a-z_][\w ]*)"
_TYPE = rf"{_NAME}(?:\.{_NAME})?(?:\(\d+(?:,\d+)?\))?"
_ELEMENT = rf"E?'(?:[^']|'')*'::{_TYPE}"
_ONE = re.compile(_ELEMENT)
_CAST_ARRAY = re.compile(
    rf"\(ARRAY\[(?P<elements>{_ELEMENT}(?:, {_ELEMENT})*)\]\)::(?P<type>{_TYPE})\[\]"
)

_PART = re.compile(rf"E?'(?:[^']|'')*'|{_QUOTED}|[()]|[^'\"()\s]+|\s+", re.DOTALL)
_DEEPEST = 200


def in_one_form(text: str) -> str:
    """The text in the form that both come to.

    >>> in_one_form("(ARRAY['a'::character varying, 'b, c'::character varying])::text[]")
    "ARRAY[('a'::character varying)::text, ('b, c'::character varying)::text]"
    >>> in_one_form("CHECK ((((n >= 1) AND (n <= 5)) AND (m OR (x AND y))))")
    'CHECK (((n >= 1) AND (n <= 5) AND (m OR (x AND y))))'
    """
    text = _CAST_ARRAY.sub(_each_cast, text)
    if " AND " not in text and " OR " not in text:
        return text
    parts = [found[0] for found in _PART.finditer(text)]
    if "".join(parts) != text or not _is_shallow(parts):
        return text
    return "".join(_flat(_grouped(iter(parts))))


def _each_cast(found: re.Match[str]) -> str:
    cast = (f"({one})::{found['type']}" for one in _ONE.findall(found["elements"]))
    return f"ARRAY[{', '.join(cast)}]"


def _is_shallow(parts: list[str]) -> bool:
    """Whether parentheses are in pairs, and no deeper than Python may go."""
    depth = 0
    for part in parts:
        depth += (part == "(") - (part == ")")
        if not 0 <= depth <= _DEEPEST:
            return False
    return depth == 0


_Item = str | list["_Item"]


def _grouped(parts: Iterator[str]) -> list[_Item]:
    """Parts, and lists for what is in parentheses."""
    items: list[_Item] = []
    for part in parts:
        if part == ")":
            return items
        items.append(_grouped(parts) if part == "(" else part)
    return items


def _flat(items: list[_Item]) -> Iterator[str]:
    for item in items:
        if isinstance(item, str):
            yield item
        else:
            yield from ("(", *_flat(_without_inner(item)), ")")


def _without_inner(group: list[_Item]) -> list[_Item]:
    """A conjunction without the parentheses of conjunctions in it; so with disjunctions."""
    word = _connective(group)
    if word is None:
        return group
    flat: list[_Item] = []
    for operand in _operands(group, word):
        flat += [" ", word, " "] if flat else []
        alone = operand[0] if len(operand) == 1 else None
        inner = _without_inner(alone) if isinstance(alone, list) else None
        flat += inner if inner is not None and _connective(inner) == word else operand
    return flat


def _connective(group: list[_Item]) -> str | None:
    words = {item for item in group if item in ("AND", "OR")}
    return str(words.pop()) if len(words) == 1 else None


def _operands(group: list[_Item], word: str) -> Iterator[list[_Item]]:
    operand: list[_Item] = []
    for item in [*group, word]:
        if item == word:
            yield _stripped(operand)
            operand = []
        else:
            operand.append(item)


def _stripped(items: list[_Item]) -> list[_Item]:
    blank = [isinstance(item, str) and item.isspace() for item in items]
    while blank and blank[0]:
        items, blank = items[1:], blank[1:]
    while blank and blank[-1]:
        items, blank = items[:-1], blank[:-1]
    return items
