"""Service files of libpq: `[name]`, then one `parameter=value` a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from agentpg.desk.security.passwords.pgpass import lines_of

_SECTION = re.compile(r"\s*\[([^\]]*)\]")


def read_service(text: str, name: str) -> dict[str, str] | None:
    """The parameters of a service; None where the file has none of that name. As for libpq, the
    first section of the name counts, and in it the first value of a parameter."""
    lines = lines_of(text)
    found = _place(lines, name)
    if found is None:
        return None
    said: dict[str, str] = {}
    for key, value in _pairs(lines[found[0] + 1 : found[1]]):
        said.setdefault(key, value)
    return said


def with_service(text: str, name: str, values: Mapping[str, str]) -> str:
    """The text in which the service has these parameters; all else stays as it was."""
    lines = lines_of(text)
    found = _place(lines, name)
    if found is None:
        space = [""] if lines and lines[-1].strip() else []
        lines += [*space, f"[{name}]", *(f"{key}={value}" for key, value in values.items())]
        return _joined(lines)
    begin, end = found
    kept = [line for line in lines[begin + 1 : end] if _key(line) not in values]
    new = [f"{key}={value}" for key, value in values.items()]
    return _joined([*lines[: begin + 1], *new, *kept, *lines[end:]])


def without_service(text: str, name: str) -> str:
    """The text without the service."""
    lines = lines_of(text)
    found = _place(lines, name)
    return text if found is None else _joined([*lines[: found[0]], *lines[found[1] :]])


def _place(lines: list[str], name: str) -> tuple[int, int] | None:
    """The line of its heading, and the one after its last."""
    headings = [(i, m[1]) for i, line in enumerate(lines) if (m := _SECTION.match(line))]
    ends = [*(i for i, _ in headings[1:]), len(lines)]
    places = zip(headings, ends, strict=bool(headings))
    return next(((begin, end) for (begin, said), end in places if said == name), None)


def _pairs(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if key := _key(line):
            yield key, line.strip().partition("=")[2]


def _key(line: str) -> str:
    text = line.strip()
    return "" if text.startswith("#") else text.partition("=")[0].strip()


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
