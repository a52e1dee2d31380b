"""The outline of a restored backup: all that is defined in it, and what needs what.

pg_dump writes it, pg_restore lists it with the needs of each entry, and writes the SQL that
makes chosen entries, in an order that fits.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agentpg.db import Database, environment_of
from agentpg.desk.backup.leash import run_tool
from agentpg.desk.backup.programs import Programs

Section = Literal["pre-data", "post-data"]

_ENTRY = re.compile(r"^(\d+); (\d+) (\d+) (.*)$")
_NEEDS = re.compile(r"^;\tdepends on:([ \d]*)$")

# Above each object stand three lines of comment.
_TITLE = re.compile(r"^--\n-- Name: .*\n--\n\n", re.MULTILINE)
_END = "\n--\n-- PostgreSQL database dump complete\n--\n"
# Of what stands above all objects, the rest is for a session of its own.
_KEPT = re.compile(r"^SET default_.*;$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: `catalogue` and `oid` say what it is; they are 0 where it only belongs to
    others, as a grant does."""

    number: int
    catalogue: int
    oid: int
    text: str
    needs: frozenset[int]

    @property
    def belongs(self) -> bool:
        """Whether it is nothing by itself."""
        return not self.catalogue


class Outline:
    """The entries by number, in the order in which they are made."""

    def __init__(self, programs: Programs, file: Path, environment: Mapping[str, str]) -> None:
        self._programs, self._file, self._environment = programs, file, environment
        self.entries = {entry.number: entry for entry in _read(self._write("--list", "--verbose"))}
        self._users: dict[int, list[int]] = {}
        for entry in self.entries.values():
            for number in entry.needs:
                self._users.setdefault(number, []).append(entry.number)

    def users(self, number: int) -> list[int]:
        """What needs an entry."""
        return self._users.get(number, [])

    def attached(self, number: int) -> set[int]:
        """What belongs to an entry alone: its grants and comments."""
        return {
            user
            for user in self.users(number)
            if self.entries[user].belongs and self.entries[user].needs <= {number}
        }

    def script(self, numbers: Collection[int], section: Section | None = None) -> str:
        """The SQL that makes these entries; names in it are written in full."""
        chosen = self._file.with_suffix(".chosen")
        lines = [entry.text for entry in self.entries.values() if entry.number in numbers]
        chosen.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        options = [f"--use-list={chosen}", "--no-tablespaces"]
        written = self._write(*options, *([f"--section={section}"] if section else []))
        title = _TITLE.search(written)
        if title is None:
            return ""
        head, body = written[: title.start()], written[title.start() : written.rfind(_END)]
        statements = _TITLE.sub("", body)
        return "\n".join([*_KEPT.findall(head), statements]).strip()

    def _write(self, *options: str) -> str:
        out = self._file.with_suffix(".out")
        command: list[str | Path] = [self._programs.tool("pg_restore"), f"--file={out}"]
        run_tool([*command, *options, self._file], self._environment)
        return out.read_text(encoding="utf-8", errors="replace")


@contextmanager
def open_outline(database: Database, programs: Programs) -> Iterator[Outline]:
    """The outline of a database, for as long as this lasts. Raises ToolFailed."""
    with tempfile.TemporaryDirectory(prefix="agentpg-outline-") as folder:
        file, environment = Path(folder, "outline"), environment_of(database.dsn)
        command: list[str | Path] = [programs.tool("pg_dump"), "--format=custom", "--schema-only"]
        command += ["--encoding=UTF8", "--no-password", f"--file={file}"]
        run_tool(command, environment)
        yield Outline(programs, file, environment)


def _read(listing: str) -> Iterator[Entry]:
    lines = listing.split("\n")
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if (found := _ENTRY.match(line)) is not None:
            needs = _NEEDS.match(after)
            yield Entry(
                number=int(found[1]),
                catalogue=int(found[2]),
                oid=int(found[3]),
                text=line,
                needs=frozenset(map(int, needs[1].split())) if needs else frozenset(),
            )
