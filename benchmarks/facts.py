"""What is known of the machine, for whoever compares figures."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentpg.errors import AgentpgError
from benchmarks.server import BenchServer


@dataclass(frozen=True, slots=True)
class Facts:
    """The machine and the server; `fdatasync_us` is None where it was not measured."""

    at: str
    cores: int
    processor: str
    memory_gib: float
    system: str
    server: str
    settings: dict[str, str]
    fdatasync_us: float | None
    load: float


def facts(server: BenchServer, *, with_fsync: bool) -> Facts:
    """Look at this machine; the time of a write to disk takes some twenty seconds."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Facts(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        cores=os.cpu_count() or 0,
        processor=_processor(),
        memory_gib=round(memory / 1024**3, 1),
        system=platform.platform(),
        server=f"PostgreSQL {server.version}",
        settings=server.changed_settings(),
        fdatasync_us=_fdatasync_us(server) if with_fsync else None,
        load=load(),
    )


def load() -> float:
    """How many processes wanted a processor lately, ours included."""
    return round(os.getloadavg()[0], 2)


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _fdatasync_us(server: BenchServer) -> float | None:
    """What pg_test_fsync says of fdatasync of one page."""
    file = server.home / "pg_test_fsync.out"
    try:
        tool = server.tool("pg_test_fsync")
        done = subprocess.run(
            [tool, "-s", "1", "-f", file], capture_output=True, text=True, check=False
        )
    except (AgentpgError, OSError):
        return None
    found = re.search(r"fdatasync\s+.*?([\d.]+)\s+usecs/op", done.stdout)
    return float(found[1]) if found else None
