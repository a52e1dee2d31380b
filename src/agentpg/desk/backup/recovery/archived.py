"""How the files of a cluster's WAL are named in its archive.

    000000010000000000000002.gz                               by the shell script, into a folder
    000000010000000000000002-20261128T020000Z-SHA256.zst      by `push`, into a bucket
    000000010000000000000002-20261128T020000Z-SHA256.zst.age  and sealed
    key-….age                                                 a passphrase's key for these

What `push` stores says in its name when the server last wrote to the file, and the SHA-256 of what
it wrote: the moment of an upload tells neither, and what is sealed can't be compared by those who
only seal. So an equal file is known again by a listing, and a different one of the same name
is noticed and nothing is written over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from agentpg.desk.backup.storage.repository import SEALED

FORMS = (".gz", ".zst")

_MOMENT = "%Y%m%dT%H%M%SZ"
_PUSHED = re.compile(r"(.+)-(\d{8}T\d{6}Z)-([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """A file of WAL in the archive: `name` as the server names it, `form` how it is compressed.

    `written_at` and `sha256` are of what the server wrote; None where the name does not say so.
    """

    name: str
    form: str
    is_sealed: bool = False
    written_at: datetime | None = None
    sha256: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether a shell script finds it by the server's name, and can read it."""
        return self.sha256 is None and not self.is_sealed

    @property
    def stored_name(self) -> str:
        """As it is named in the archive."""
        told = ""
        if self.written_at is not None and self.sha256 is not None:
            told = f"-{self.written_at.astimezone(UTC).strftime(_MOMENT)}-{self.sha256}"
        return f"{self.name}{told}{self.form}{SEALED if self.is_sealed else ''}"


def archived_as(key: str) -> Archived | None:
    """What an object of the archive is; None for one that is no WAL.

    >>> archived_as("wal/7301/00000002.history.gz")
    Archived(name='00000002.history', form='.gz', is_sealed=False, written_at=None, sha256=None)
    >>> archived_as("wal/7301/archive_wal.sh")
    """
    stored = key.rpartition("/")[2]
    compressed = stored.removesuffix(SEALED)
    form = next((form for form in FORMS if compressed.endswith(form)), "")
    # A draft of the script begins with a dot.
    if not form or stored.startswith("."):
        return None
    name = compressed.removesuffix(form)
    told = _PUSHED.fullmatch(name)
    return Archived(
        name=told[1] if told else name,
        form=form,
        is_sealed=stored.endswith(SEALED),
        written_at=_moment(told[2]) if told else None,
        sha256=told[3] if told else None,
    )


def plain_name(key: str) -> tuple[str, str]:
    """The name of a compressed WAL file and its form.

    >>> plain_name("data/wal/000000010000000000000002.zst")
    ('000000010000000000000002', '.zst')
    """
    name = key.rpartition("/")[2]
    form = next((form for form in FORMS if name.endswith(form)), "")
    return name.removesuffix(form), form


def _moment(text: str) -> datetime:
    return datetime.strptime(text, _MOMENT).replace(tzinfo=UTC)
