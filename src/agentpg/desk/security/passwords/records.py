"""When a password was changed: PostgreSQL keeps no such date, so we write it about the role.

A comment on the role goes with the cluster, into `pg_dumpall` too, and everybody may read it. With
it stands a short mark of the verifier: where that is another one now, somebody changed the password
by other means, and the date is none any more. What people have written about the role stays.

VALID UNTIL would be the server's own date, and is not used for this: a password that ends unnoticed
stops work, while a date that is overdue is told.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

_RECORD = re.compile(r"\[agentpg: password of (\S+) ([0-9a-f]{8})\]")
_MARK_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Record:
    """When a password was changed, and the mark of its verifier."""

    changed_at: datetime
    mark: str


def mark_of(verifier: str) -> str:
    """A few digits that tell verifiers apart, and tell nothing about them."""
    return hashlib.sha256(verifier.encode()).hexdigest()[:_MARK_LENGTH]


def read_record(comment: str) -> Record | None:
    """The record in what is written about a role; None where there is none that can be read."""
    found = _RECORD.search(comment)
    if found is None:
        return None
    try:
        changed_at = datetime.fromisoformat(found[1])
    except ValueError:
        return None
    return Record(changed_at, found[2]) if changed_at.tzinfo else None


def with_record(comment: str, record: Record) -> str:
    """What is written about a role, with this record in place of a former one."""
    at = record.changed_at.astimezone(UTC).isoformat(timespec="seconds")
    text = f"[agentpg: password of {at} {record.mark}]"
    rest = _RECORD.sub("", comment).strip()
    return f"{rest} {text}".strip()
