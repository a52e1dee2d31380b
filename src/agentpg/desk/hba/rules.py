"""The lines of pg_hba.conf as the server tells them, in pg_hba_file_rules."""

from __future__ import annotations

from dataclasses import dataclass

from agentpg.desk.hba.reading import Field, Line, Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A line as the server understands it; without `kind` it does not."""

    file: str
    number: int
    kind: str | None
    databases: list[str] | None
    roles: list[str] | None
    address: str | None
    mask: str | None
    method: str | None
    options: list[str] | None
    error: str | None

    @property
    def is_refused(self) -> bool:
        """Whether the server takes the file no more for it."""
        return self.error is not None and self.kind is None

    def line(self) -> Line | None:
        """The same as a line of the file; what was quoted the server does not tell. None for
        what it does not understand."""
        if self.kind is None or self.method is None:
            return None
        fields: list[Field] = [(Word(self.kind),)]
        fields += [tuple(map(Word, self.databases or [])), tuple(map(Word, self.roles or []))]
        if self.kind != "local":
            fields += [(Word(one),) for one in (self.address, self.mask) if one]
        fields += [(Word(one),) for one in (self.method, *(self.options or []))]
        text = " ".join(",".join(word.text for word in field) for field in fields)
        return Line(self.file or "pg_hba.conf", self.number, text, tuple(fields))
