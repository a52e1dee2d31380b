"""What a server of this machine wrote into its log: while it was visited, or at last."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

from agentpg.desk.doctor.connection.facts import LocalServer
from agentpg.desk.redacting import redact

_LINES = 6
_LAST_BYTES = 8 * 1024
_SOON_SECONDS = 0.2

# What is about no login may hold anything: statements, their parameters, and hashes. Told by the
# words of SQL, since those of the log are in the server's language.
_NOT_SHOWN = re.compile(
    r":\s+(?:/\*.*?\*/\s*)*(?:ALTER|CREATE|DROP|SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|COPY|DO|CALL"
    r"|EXPLAIN|PREPARE|EXECUTE|DECLARE|GRANT|REVOKE|SET|SECURITY|COMMENT)\b"
    r"|LOG:\s+(?:dis)?connection(?:: | received| authenticated| authorized)"
    r"|\$\d+ = |SCRAM-SHA-256\$|\bmd5[0-9a-f]{32}|postgres(?:ql)?://",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class LogMark:
    """How long a log was before; what comes after is about what was done since."""

    path: str
    size: int

    @classmethod
    def of(cls, server: LocalServer) -> LogMark:
        """The end of the server's log now."""
        try:
            return cls(server.log, Path(server.log).stat().st_size)
        except OSError:
            return cls(server.log, 0)

    def wait(self) -> tuple[str, ...]:
        """The lines since then, the last ones of many; none where nothing comes soon, or it
        can't be read. The server's own collector of its log takes a moment."""
        end = time.monotonic() + _SOON_SECONDS
        while not (lines := _tail(Path(self.path), self.size)) and time.monotonic() < end:
            time.sleep(_SOON_SECONDS / 10)
        return lines


def last_said(server: LocalServer | None) -> tuple[str, ...]:
    """The last lines of a server's log."""
    return _tail(Path(server.log), 0) if server is not None and server.log else ()


def _tail(path: Path, begin: int) -> tuple[str, ...]:
    try:
        with path.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(begin if begin <= size else 0, size - _LAST_BYTES))
            is_cut = log.tell() > begin
            text = log.read().decode(errors="replace")
    except OSError:
        return ()
    lines = text.splitlines()[1 if is_cut else 0 :]
    shown = [redact(entry) for entry in _entries(lines) if not _NOT_SHOWN.search(entry)]
    return tuple(" ".join(entry.split("\n")) for entry in shown)[-_LINES:]


def _entries(lines: list[str]) -> list[str]:
    """What was written at once: the server begins each further line of it with a tab."""
    entries: list[str] = []
    for line in lines:
        if not line.startswith("\t"):
            entries.append(line.rstrip())
        elif entries:
            entries[-1] += f"\n{line.strip()}"
    return [entry for entry in entries if entry]
