"""What looks like the data folder of a server that does not run."""

from __future__ import annotations

import os
import struct
from pathlib import Path

SYSTEM = "7123456789012345678"
# Where the tests are root, servers are another account's.
OWNER = 65534 if os.geteuid() == 0 else os.geteuid()


def stand_in(data: Path, system: str = SYSTEM) -> Path:
    """Make it."""
    for name in ("global", "pg_wal", "pg_replslot", "log"):
        (data / name).mkdir(parents=True)
    (data / "PG_VERSION").write_text("18\n", encoding="utf-8")
    (data / "global" / "pg_control").write_bytes(struct.pack("=Q", int(system)) + b"\0" * 100)
    give_away(data)
    return data


def give_away(folder: Path) -> None:
    """Let all of it be the server's account's."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, OWNER, -1, follow_symlinks=False)


def write_log(path: Path, *, old: bool = True) -> None:
    """A log file of the server's account."""
    path.write_bytes(b"x" * 4096)
    os.chown(path, OWNER, -1)
    if old:
        os.utime(path, (0, 0))
