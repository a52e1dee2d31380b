"""Faults on the way to the server, and at its door."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg

from agentpg.db import Database
from agentpg.settings import load_settings
from tests.desk.doctor import listeners
from tests.desk.doctor.faulty import Faulty
from tests.desk.doctor.listeners import Serve, listener
from tests.faults.fault import Fault, Patient
from tests.servers import OwnServers


class Door:
    """The server with every fault of a login, and another that is stopped."""

    def __init__(self, servers: OwnServers) -> None:
        self.faulty = Faulty(servers(options={"max_connections": "12", "listen_addresses": "*"}))
        self._servers = servers

    def at(self, dsn: str, home: Path | None = None) -> Patient:
        """What is looked at."""
        return Database(dsn), load_settings(home=home or Path("no home"))

    @contextmanager
    def said(self, **said: str | int) -> Iterator[Patient]:
        """Somebody says this to reach it."""
        yield self.at(self.faulty.dsn(**said))

    @contextmanager
    def instead(self, serve: Serve) -> Iterator[Patient]:
        """Something else listens."""
        with listener(serve) as port:
            yield self.at(f"host=127.0.0.1 port={port} user=me dbname=db password=secret")

    @contextmanager
    def stopped(self) -> Iterator[Patient]:
        """A server that was stopped."""
        server = self._servers()
        server.start()
        server.stop()
        # The home is above postgresql/data.
        yield self.at(server.dsn(), server.status().data.parents[1])

    @contextmanager
    def full(self) -> Iterator[Patient]:
        """All connections are taken."""
        with ExitStack() as stack:
            with suppress(psycopg.OperationalError):
                for _ in range(12):
                    stack.enter_context(psycopg.connect(self.faulty.dsn()))
            yield self.at(self.faulty.dsn())

    @contextmanager
    def elsewhere(self) -> Iterator[Patient]:
        """The port is not the server's."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        yield self.at(self.faulty.dsn(port=port))


FAULTS: tuple[Fault[Door], ...] = (
    Fault(("C03",), "a host's name that nobody resolves",
          lambda door: door.said(host="no-such-host.invalid"), "host=no-such-host.invalid"),
    Fault(("C04",), "the server is stopped", Door.stopped, "a real server, stopped"),
    Fault(("C05",), "a wrong port", Door.elsewhere, "a port that somebody else has"),
    Fault(("C10",), "a wrong folder of the socket", lambda door: door.said(host="/nonexistent"),
          "host=/nonexistent"),
    Fault(("C11",), "something takes the connection and says nothing",
          lambda door: door.instead(listeners.silent), "a silent listener"),
    Fault(("C12",), "a web server listens there", lambda door: door.instead(listeners.web),
          "a listener that speaks HTTP"),
    Fault(("C22",), "no line of pg_hba.conf", lambda door: door.said(user="nowhere"),
          "a role without a line"),
    Fault(("C23",), "a line of pg_hba.conf rejects", lambda door: door.said(user="rejected"),
          "a reject line"),
    Fault(("C24",), "a wrong password",
          lambda door: door.said(user="modern", password="wrong"), "password=wrong"),
    Fault(("C27",), "a role that is missing", lambda door: door.said(user="missing"),
          "user=missing"),
    Fault(("C28",), "a database that is missing",
          lambda door: door.said(dbname="no such database"), "a name that is none"),
    Fault(("C31",), "too many connections", Door.full, "12 of 12 sessions"),
)  # fmt: skip
