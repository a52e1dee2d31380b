"""What a server of this machine wrote into its log: while it was visited, or at last."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

from agentpg.desk.doctor.connection.facts import LocalServer

_LINES = 6
_LAST_BYTES = 8 * 1024
_SOON_SECONDS = 0.2

# A statement in a log may hold a password; such lines are not shown.
_SECRET = re.compile(
    r"password\s*(=|'|E'|:)|verifier|SCRAM-SHA-256\$|postgres(ql)?://", re.IGNORECASE
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
            text = log.read().decode(errors="replace")
    except OSError:
        return ()
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return tuple([line for line in lines if not _SECRET.search(line)][-_LINES:])
