"""The server's first process: is it there, is it ready, and how it is told to stop.

A number in `postmaster.pid` is not believed: the process must be a postgres that works
in this very folder, so that a stale file can never make us signal a stranger.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

StopMode = Literal["smart", "fast", "immediate"]

_SIGNALS: dict[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
_POLL_SECONDS = 0.02
_SURVIVOR_PATIENCE = timedelta(seconds=5)

# The lines of postmaster.pid.
_PID, _PORT, _STATUS = 0, 3, 7


def postmaster_pid(data: Path) -> int | None:
    """The process id of the running server of this folder; None if it does not run."""
    pid = _recorded_pid(data)
    return pid if pid is not None and _works_in(pid, data) else None


def postmaster_port(data: Path) -> int | None:
    """The port that the running server writes into its folder; None before it does."""
    lines = _lock_file(data)
    return int(lines[_PORT]) if len(lines) > _PORT and lines[_PORT].isdigit() else None


def wait_until_ready(pid: int, data: Path, patience: timedelta) -> bool:
    """Wait until the server takes connections; False if it ended, or not in time."""
    return wait_for(lambda: _is_ready(pid, data) or not _is_alive(pid), patience) and _is_ready(
        pid, data
    )


def stop_postmaster(pid: int, mode: StopMode, patience: timedelta) -> bool:
    """Tell the server to stop and wait; False if it still runs after the time."""
    send_signal(pid, _SIGNALS[mode])
    return wait_for(lambda: not _is_alive(pid), patience)


def clear_remains(data: Path) -> bool:
    """Make way after a postmaster that was killed; False if its processes do not go.

    Call it only while no server runs. Its remaining processes have lost their master and
    hold the old shared memory, which keeps a new server from starting.
    """
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for survivor in _processes_in(data):
            send_signal(survivor, number)
        if wait_for(lambda: not _processes_in(data), _SURVIVOR_PATIENCE):
            break
    pid = _recorded_pid(data)
    if pid is not None and Path(f"/proc/{pid}").exists() and not _works_in(pid, data):
        # A stranger has the number now, or a zombie that nobody buries in a container;
        # PostgreSQL would take either for the server.
        (data / "postmaster.pid").unlink(missing_ok=True)
    return not _processes_in(data)


def wait_for(condition: Callable[[], bool], patience: timedelta) -> bool:
    """Poll until the condition holds; False if it does not in time."""
    deadline = time.monotonic() + patience.total_seconds()
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def send_signal(pid: int, number: signal.Signals) -> None:
    """Signal a process that may already be gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _lock_file(data: Path) -> list[str]:
    try:
        text = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines()]


def _recorded_pid(data: Path) -> int | None:
    lines = _lock_file(data)
    return int(lines[_PID]) if lines and lines[_PID].isdigit() else None


def _is_ready(pid: int, data: Path) -> bool:
    lines = _lock_file(data)
    return len(lines) > _STATUS and lines[_PID] == str(pid) and lines[_STATUS] == "ready"


def _is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def _works_in(pid: int, data: Path) -> bool:
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace")
        return name.strip() == "postgres" and Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:
        return False


def _processes_in(data: Path) -> list[int]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if _works_in(pid, data)]
