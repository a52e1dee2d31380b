"""A line to a server on which nothing is sent before the last question was answered."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from psycopg.conninfo import conninfo_to_dict

from agentpg.db import Database, make_conninfo

_ASKS = (b"Q", b"S")  # a query and a synchronisation: the server is ready (Z) after each


@contextmanager
def slow_line(database: Database) -> Iterator[Database]:
    """The same database, reached over such a line.

    What a driver sends in one breath comes one by one, as from a machine that is busy.
    """
    behind = conninfo_to_dict(database.dsn)
    with socket.create_server(("127.0.0.1", 0)) as entrance:
        place = (str(behind["host"]), int(behind["port"] or 0))
        threading.Thread(target=_accept, args=(entrance, place), daemon=True).start()
        dsn = make_conninfo(
            database.dsn,
            port=entrance.getsockname()[1],
            sslmode="disable",
            gssencmode="disable",
        )
        yield Database(dsn, database.schema)
        entrance.shutdown(socket.SHUT_RDWR)


def _accept(entrance: socket.socket, place: tuple[str, int]) -> None:
    with suppress(OSError):
        while True:
            client, _ = entrance.accept()
            server = socket.create_connection(place)
            ready = threading.Semaphore(0)
            for carry in (_ask, _answer):
                threading.Thread(target=carry, args=(client, server, ready), daemon=True).start()


def _ask(client: socket.socket, server: socket.socket, ready: threading.Semaphore) -> None:
    with suppress(OSError, EOFError):
        server.sendall(_message(client))  # the first one has no kind
        ready.acquire()
        while True:
            kind = _exactly(client, 1)
            server.sendall(kind + _message(client))
            if kind in _ASKS:
                ready.acquire()
    server.close()


def _answer(client: socket.socket, server: socket.socket, ready: threading.Semaphore) -> None:
    with suppress(OSError, EOFError):
        while True:
            kind = _exactly(server, 1)
            client.sendall(kind + _message(server))
            if kind == b"Z":
                ready.release()
    client.close()
    ready.release()


def _message(source: socket.socket) -> bytes:
    length = _exactly(source, 4)
    return length + _exactly(source, int.from_bytes(length) - 4)


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = source.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found
