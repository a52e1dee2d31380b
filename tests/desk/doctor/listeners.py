"""What may listen at a port where PostgreSQL is expected."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Serve = Callable[[socket.socket], None]


@contextmanager
def listener(serve: Serve) -> Iterator[int]:
    """Something that does this with each connection; its port."""
    held: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                line, _ = taken.accept()
                held.append(line)
                with suppress(OSError):
                    serve(line)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield taken.getsockname()[1]
        taken.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    for line in held:
        line.close()


def web(line: socket.socket) -> None:
    """A web server."""
    line.recv(1024)
    line.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    line.close()


def shell(line: socket.socket) -> None:
    """A server of SSH, which speaks first."""
    line.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")


def silent(line: socket.socket) -> None:
    """What takes the connection and says nothing."""


def closing(line: socket.socket) -> None:
    """A proxy with nothing behind it."""
    line.recv(1024)
    line.close()


def resetting(line: socket.socket) -> None:
    """One that breaks the connection."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


def plain(line: socket.socket) -> None:
    """One that speaks without TLS, and then something else."""
    line.recv(8)
    line.sendall(b"N")
    line.recv(1024)
    line.sendall(b"\x00\x01\x02nonsense")


def kerberos(line: socket.socket) -> None:
    """A server that asks for Kerberos."""
    line.recv(8)
    line.sendall(b"N")
    line.recv(1024)
    line.sendall(b"R" + struct.pack("!ii", 8, 7))
    line.recv(1024)
