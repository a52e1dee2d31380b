"""What this machine shows of itself: its addresses, what listens, and which sockets are in use."""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Iterator
from pathlib import Path

# The state of a listening socket in /proc/net/tcp.
_LISTENS = "0A"

_SOCKET = re.compile(r".*/\.s\.PGSQL\.\d+")


def listening_at(port: int) -> tuple[str, ...]:
    """The addresses of this machine at which something listens on a port."""
    return tuple(sorted({address for address, at in _listening() if at == port}))


def sockets_in_use() -> tuple[str, ...]:
    """The sockets of PostgreSQL's kind that a process of this machine listens on."""
    paths = (line.split(" ", 7)[-1].strip() for line in _lines("/proc/net/unix") if "/" in line)
    return tuple(sorted({path for path in paths if _SOCKET.fullmatch(path)}))


def parts_of(path: str) -> tuple[str, int]:
    """The folder and the port of a socket."""
    folder, _, port = path.rpartition("/.s.PGSQL.")
    return folder, int(port)


def _listening() -> Iterator[tuple[str, int]]:
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in _lines(name)[1:]:
            _, local, _, state, *_ = line.split()
            if state == _LISTENS:
                address, _, port = local.partition(":")
                yield _address(address), int(port, 16)


def _address(digits: str) -> str:
    """An address as the kernel writes it: words of four bytes in the machine's own order."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    return str(ipaddress.ip_address(b"".join(struct.pack("=I", word) for word in words)))


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
