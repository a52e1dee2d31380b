"""Files of passwords in libpq's form: host:port:database:user:password, the first fitting line
decides. `:` and `\\` within a field have a `\\` before them; `*` fits everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_FIELDS = 5

# The fields that a line is looked up by, where a name and an empty password are no reason to stop.
Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line: its fields as they are meant, and the password."""

    host: str
    port: str
    database: str
    user: str
    password: str = field(repr=False)

    @property
    def key(self) -> Key:
        """What it is looked up by."""
        return self.host, self.port, self.database, self.user

    def line(self) -> str:
        """As it stands in the file."""
        return ":".join(_escaped(part) for part in (*self.key, self.password))

    def fits(self, key: Key) -> bool:
        """Whether libpq would take it for a connection."""
        return all(mine in ("*", wanted) for mine, wanted in zip(self.key, key, strict=True))


def read_line(line: str) -> Entry | None:
    """A line; None for a comment, an empty line, and what has not five fields."""
    if line.startswith("#") or not line.strip():
        return None
    parts = list(_fields(line.rstrip("\r\n")))
    return Entry(*parts) if len(parts) == _FIELDS else None


def lines_of(text: str) -> list[str]:
    """Its lines as libpq has them: what else Python takes for the end of a line may stand in a
    password."""
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def is_wrong(line: str) -> bool:
    """Whether a line is meant as an entry and is none, or has more fields than are read: libpq
    passes over the former, and takes what comes before the next `:` for the password."""
    text = line.strip()
    return bool(text) and not text.startswith("#") and read_line(line) is None


def password_in(text: str, key: Key) -> str | None:
    """The password that a file has for a connection; None where it has none."""
    entries = (read_line(line) for line in lines_of(text))
    return next((one.password for one in entries if one is not None and one.fits(key)), None)


def with_entry(text: str, entry: Entry) -> str:
    """The text with this entry as its first line, in place of one of the same key."""
    return f"{entry.line()}\n{without_entry(text, entry.key)}"


def without_entry(text: str, key: Key) -> str:
    """The text without the lines of a key; comments and other lines stay."""
    kept = [line for line in lines_of(text) if (one := read_line(line)) is None or one.key != key]
    return "".join(f"{line}\n" for line in kept)


def _fields(line: str) -> Iterator[str]:
    part, signs = "", iter(line)
    for sign in signs:
        if sign == "\\":
            part += next(signs, "")
        elif sign == ":":
            yield part
            part = ""
        else:
            part += sign
    yield part


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")
