"""What decides about a connection, against what a real server does with it."""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from agentpg.db import Connection, Database, connect
from agentpg.desk.hba.matching import Asked, Known, first_match
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.account import choose_account
from tests.servers import Mould, OwnServers, Reaper
from tests.waiting import eventually

pytestmark = [pytest.mark.one_server, pytest.mark.xdist_group("hba-by-server")]

# The roles with all that each is a member of, itself included.
GROUPS = {
    "kim": {"kim", "team", "ops"},
    "lee": {"lee"},
    "a,b #c": {"a,b #c", "ops"},
    'say "x"': {'say "x"'},
    "all": {"all", "team"},
    "/^k": {"/^k"},
}
DATABASES = ("work", "team", "kim", "a,b #c", "all", "replication", "sameuser", "nobody's")
ADDRESSES = ("", "127.0.0.1", "127.0.0.2", "127.1.2.3", "::1")
METHODS = {0: "trust", 3: "password", 10: "scram-sha-256"}

_FROM_SERVER = settings(
    max_examples=14,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass
class Watched:
    """The server, and a session of it that no line takes away."""

    server: EmbeddedServer
    session: Connection[Any]
    major: int
    files: int = 0
    compared: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    def give(self, text: str, included: str) -> Path:
        """Have the server read these lines; the file."""
        data = self.server.status().data
        self.files += 1
        # A line of its own tells when it has read them.
        mark = f"mark_{self.files}"
        path, more = data / "pg_hba.conf", data / "more.conf"
        for one, content in (
            (more, included),
            (path, f"host {mark} all 127.0.0.1/32 trust\n{text}"),
        ):
            one.write_bytes(content.encode())
            choose_account(data).own(one)
        rules = b"SELECT line_number, error FROM pg_hba_file_rules WHERE type IS NULL"
        assert self.session.execute(rules).fetchall() == [], text
        os.kill(self.server.status().pid or 0, signal.SIGHUP)
        eventually(lambda: self.answer("kim", mark, "127.0.0.1") == "trust", 10)
        return path

    def answer(self, role: str, database: str, address: str, *, replication: bool = False) -> str:
        """The method that the server asks for, reject, or nothing where no line fits."""
        with closing(self._line(address)) as line:
            said = {"user": role, "database": database}
            if replication:
                said["replication"] = "true"
            parts = [word.encode() + b"\0" for pair in said.items() for word in pair]
            body = struct.pack("!i", 3 << 16) + b"".join(parts) + b"\0"
            line.sendall(struct.pack("!i", len(body) + 4) + body)
            reply = b""
            while len(reply) < 9:
                reply += line.recv(4096)
            if reply[:1] == b"R":
                return METHODS[struct.unpack("!i", reply[5:9])[0]]
            while more := line.recv(4096):
                reply += more
        assert b"C28000\0" in reply, reply
        return "reject" if b"rejects" in reply else ""

    def _line(self, address: str) -> socket.socket:
        status = self.server.status()
        if not address:
            line = socket.socket(socket.AF_UNIX)
            line.connect(f"{status.socket_dir}/.s.PGSQL.{status.port}")
            return line
        line = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        line.settimeout(10)
        line.bind((address, 0))
        line.connect(("::1" if ":" in address else "127.0.0.1", status.port))
        return line


@pytest.fixture(scope="module")
def watched(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    servers = OwnServers(tmp_path_factory.mktemp("by-server"), reaper, mould)
    server = servers(options={"listen_addresses": "127.0.0.1, ::1", "log_connections": "off"})
    server.start()
    with connect(Database(server.dsn("postgres"))) as session:
        session.execute(
            b"CREATE ROLE ops; CREATE ROLE team; GRANT ops TO team; CREATE ROLE kim LOGIN; "
            b'CREATE ROLE lee LOGIN; CREATE ROLE "a,b #c" LOGIN; CREATE ROLE "say ""x""" LOGIN; '
            b'CREATE ROLE "all" LOGIN; CREATE ROLE "/^k" LOGIN; GRANT team TO kim, "all"; '
            b'GRANT ops TO "a,b #c"'
        )
        one = Watched(server, session, session.info.server_version // 10_000)
        yield one
    servers.close()


_WORD = st.sampled_from(
    [
        *("all", '"all"', "kim", "lee", '"a,b #c"', '"say ""x"""', "work", "team", '"replication"'),
        *("sameuser", "samerole", "samegroup", "replication", '"sameuser"', "nobody's"),
        *(
            "+team",
            "+ops",
            '"+team"',
            "+kim",
            '+"a,b #c"',
            "/^k",
            "/^.*m$",
            '"/^k"',
            "/all",
            "/a,b",
        ),
        *('k"im"', 'al"l"', "KIM", "/", "/^(?:kim|lee)$", '"/^a,b #c$"'),
    ]
)
_WORDS = st.lists(st.just("all") | _WORD | _WORD, min_size=1, max_size=3).flatmap(
    lambda words: st.sampled_from([",", ", ", ",\t", ",,"]).map(lambda comma: comma.join(words))
)
_ADDRESS = st.sampled_from(
    [
        *("all", "samehost", "samenet", "127.0.0.1/32", "127.0.0.0/24", "127.0.0.0/8", "0.0.0.0/0"),
        *("::1/128", "::/0", "127.0.0.2 255.255.255.255", "127.0.0.0 255.255.255.0"),
        *("127.1.2.3 255.0.255.255", "127.0.0.3/30", "127.0.0.0 255.255.255.254", "::1/1"),
        *("10.0.0.0/8", "fe80::/10", "127.1/16", "0x7f000001/32"),
    ]
)
_KIND = st.sampled_from(["host", "host", "host", "hostnossl", "hostssl", "hostnogssenc", '"host"'])
_METHOD = st.sampled_from(["trust", "reject", "scram-sha-256", "password"])
_BETWEEN = st.sampled_from([" ", "\t", "   ", " \\\n  ", "\\\n "])
_TAIL = st.sampled_from(["", " ", "\r", " # all of it", "\t#"])


@st.composite
def _lines(draw: st.DrawFn) -> str:
    kind = draw(st.one_of(_KIND, st.just("local")))
    parts = [kind, draw(_WORDS), draw(_WORDS)]
    parts += [] if kind == "local" else [draw(_ADDRESS)]
    text = draw(_METHOD)
    for part in reversed(parts):
        gap = draw(_BETWEEN)
        text = f"{part}{' ' if gap[0] == chr(92) else ''}{gap}{text}"
    return text + draw(_TAIL)


_ASKED = st.tuples(
    st.sampled_from(sorted(GROUPS)),
    st.sampled_from(DATABASES),
    st.sampled_from(ADDRESSES),
    st.booleans(),
)


@_FROM_SERVER
@given(
    lines=st.lists(_lines(), min_size=4, max_size=14),
    apart=st.integers(0, 14),
    asked=st.lists(_ASKED, min_size=16, max_size=16),
)
def test_the_server_does_what_is_said(
    watched: Watched, lines: list[str], apart: int, asked: list[tuple[str, str, str, bool]]
) -> None:
    included = ""
    if watched.major >= 16 and apart < len(lines):
        included = "\n".join(lines[apart : apart + 2]) + "\n"
        lines[apart : apart + 2] = ['include "more.conf"']
    path = watched.give("\n".join(lines) + "\n", included)
    for role, database, address, replication in asked:
        match = first_match(path, _of(watched, role, database, address, replication=replication))
        real = watched.answer(role, database, address, replication=replication)
        possible = {match.method, *(one.method for one in match.earlier)}
        assert real in possible, (role, database, address, replication, match, "\n".join(lines))
        watched.compared += match.certain
        watched.seen[real] = watched.seen.get(real, 0) + 1


def test_enough_was_compared(watched: Watched) -> None:
    if not watched.compared:
        pytest.skip("the comparison ran elsewhere")
    assert watched.compared > 150
    assert set(watched.seen) == {"", "reject", *METHODS.values()}


def _of(watched: Watched, role: str, database: str, address: str, *, replication: bool) -> Asked:
    groups: Mapping[str, frozenset[str]] = {name: frozenset(of) for name, of in GROUPS.items()}
    return Asked(
        user=role,
        database=database,
        address=address,
        tls=False,
        replication=replication,
        major=watched.major,
        known=Known(groups=groups),
    )
