"""What may listen at a port where PostgreSQL is expected."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Serve = Callable[[socket.socket], None]


@contextmanager
def listener(serve: Serve, port: int = 0) -> Iterator[int]:
    """Something that does this with each connection, at a port of its own or this one."""
    held: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                line, _ = taken.accept()
                held.append(line)
                with suppress(OSError):
                    serve(line)

    with socket.create_server(("127.0.0.1", port)) as taken:
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


def asking(method: int, heard: list[bytes]) -> Serve:
    """A server that asks for a password, as it is (3) or by MD5 (5), and notes what it hears."""

    def serve(line: socket.socket) -> None:
        line.recv(8)
        line.sendall(b"N")
        line.recv(1024)
        salt = b"salt" if method == 5 else b""
        line.sendall(b"R" + struct.pack("!ii", 8 + len(salt), method) + salt)
        heard.append(line.recv(1024))
        line.close()

    return serve


def rejecting(line: socket.socket) -> None:
    """A server whose pg_hba.conf has no line."""
    line.recv(8)
    line.sendall(b"N")
    line.recv(1024)
    said = b'no pg_hba.conf entry for host "127.0.0.1", user "me"'
    fields = (b"SFATAL", b"VFATAL", b"C28000", b"M" + said, b"RClientAuthentication", b"\0")
    body = b"\0".join(fields)
    line.sendall(b"E" + struct.pack("!i", 4 + len(body)) + body)
    line.close()


def hiccuping(port: int) -> Serve:
    """A proxy of the server at this port that drops the first connection."""
    came: list[socket.socket] = []

    def serve(line: socket.socket) -> None:
        came.append(line)
        if len(came) == 1:
            line.recv(1024)
            line.close()
            return
        with socket.create_connection(("127.0.0.1", port)) as there:
            back = threading.Thread(target=_pass_on, args=(there, line), daemon=True)
            back.start()
            _pass_on(line, there)
            back.join(10)

    return serve


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while said := source.recv(65536):
            target.sendall(said)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
