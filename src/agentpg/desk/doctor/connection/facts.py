"""What is known of the way to a server: looked at in `looking.py`, judged in `findings.py`.

A way has steps: the connection string is read, a name resolved, an address connected, TLS agreed
on, the server answers, and lets one in. Each is recorded as far as it was come to. No password
is in any of it.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from agentpg.desk.check import Unlooked
from agentpg.desk.hba.matching import Match

# What the first bytes of what answered are.
Greeting = Literal["tls", "plain", "refused", "foreign", "silent", "closed", "lost"]

# How far a startup message came: let in, asked for what was not given, refused, no PostgreSQL,
# no answer in time, closed without one, or the connection broke.
Ending = Literal["in", "asked", "refused", "foreign", "silent", "closed", "lost"]

WrongString = Literal["syntax", "value", "sign"]

# Why TLS was not agreed on, where that is known.
TlsProblem = Literal["", "expired", "untrusted", "name", "handshake", "no root"]

KeyProblem = Literal["", "mode", "missing", "unreadable", "not a pair"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One host of the connection string. `folder` is that of a socket; then there is no host."""

    host: str
    hostaddr: str
    port: int
    folder: str = ""

    @property
    def name(self) -> str:
        """As it is said to people."""
        if self.folder:
            return self.socket
        return f"{self.host or self.hostaddr}:{self.port}"

    @property
    def socket(self) -> str:
        """The socket file."""
        return f"{self.folder}/.s.PGSQL.{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordFile:
    """The password file that libpq reads. `problem` is why it ignores it; empty where it reads."""

    path: str
    exists: bool
    problem: Literal["", "mode", "no file"] = ""
    mode: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Where the connection string leads, as whom, and how.

    `replication` if the server's log itself is asked for, and no database. `by_gss` where only
    Kerberos may encrypt, `direct_tls` where TLS begins without being asked for.
    """

    places: tuple[Place, ...]
    user: str
    database: str
    database_said: bool
    sslmode: str
    root_file: str
    root_exists: bool
    has_password: bool
    passwords: PasswordFile
    session: str = "any"
    service: str = ""
    replication: bool = False
    by_gss: bool = False
    direct_tls: bool = False

    @property
    def speaks_otherwise(self) -> bool:
        """Whether libpq begins in a way in which only the driver can begin."""
        return self.by_gss or self.direct_tls

    @property
    def wants_tls(self) -> bool:
        """Whether it goes without TLS nowhere."""
        return self.sslmode in ("require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """Why the connection string cannot be used: `keys` are names that are none, with the one
    that may be meant; `complaint` is libpq's."""

    kind: WrongString
    keys: Mapping[str, str] = field(default_factory=dict)
    complaint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoService:
    """A service that no file has; `file` is where it is looked for first."""

    name: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The addresses of a name; `error` is the resolver's EAI number, `timed_out` if it is slow."""

    addresses: tuple[str, ...] = ()
    error: int = 0
    timed_out: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What the server shows of itself."""

    subject: str
    names: tuple[str, ...]
    issuer: str
    begins_at: datetime
    ends_at: datetime
    self_signed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """A handshake as libpq would make it. `verify_code` and `reason` are OpenSSL's."""

    version: str = ""
    problem: TlsProblem = ""
    verify_code: int = 0
    reason: str = ""
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error that the server sent. `severity` is never translated, and with `routine`, the
    place in the server's source, missing where something else than PostgreSQL answers."""

    sqlstate: str
    severity: str
    message: str
    detail: str = ""
    hint: str = ""
    routine: str = ""

    @property
    def by_postgres(self) -> bool:
        """Whether PostgreSQL itself said it."""
        return bool(self.severity and self.routine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of a startup message. `method` is how the server asked who we are, by the
    protocol's number; `told` are the server's settings as it tells them to each client."""

    ending: Ending
    method: int | None = None
    mechanisms: tuple[str, ...] = ()
    refusal: Refusal | None = None
    by_tls: bool = False
    told: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKey:
    """Our own certificate and its key, where there are any. `mode` is that of the key's file."""

    certificate: str
    key: str
    problem: KeyProblem = ""
    mode: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One address, and how far one comes there.

    `error` is the system's number, 0 where the address was connected. `first` are the first
    bytes of what does not speak PostgreSQL's protocol. `other` is the reply without TLS where
    `reply` is the one with it, or the other way round.
    """

    place: Place
    address: str
    error: int = 0
    timed_out: bool = False
    connect_seconds: float = 0.0
    local: bool = False
    ours: str = ""
    greeting: Greeting | None = None
    first: str = ""
    tls: Tls | None = None
    reply: Reply | None = None
    other: Reply | None = None
    later: Reply | None = None

    @property
    def is_in(self) -> bool:
        """Whether one is let in."""
        return self.reply is not None and self.reply.ending == "in"

    @property
    def unanswered(self) -> bool:
        """Whether it was connected, and nothing spoke PostgreSQL's protocol."""
        ending = self.reply.ending if self.reply else None
        return not {self.greeting, ending}.isdisjoint(("silent", "closed", "foreign", "lost"))

    @property
    def by_tls(self) -> bool:
        """Whether the reply came over TLS."""
        return self.reply is not None and self.reply.by_tls


def _distance(visit: Visit) -> int:
    """How far a visit came."""
    reply = visit.reply
    if visit.is_in:
        return 9
    if reply is not None and reply.ending in ("asked", "refused"):
        # Who does not take anybody for now is less near than who refuses.
        return 7 if reply.refusal is not None and reply.refusal.sqlstate == "57P03" else 8
    if visit.tls is not None:
        return 6
    if visit.greeting in ("tls", "plain"):
        return 5
    if not visit.error:
        return 4
    return 3 if visit.error == errno.ECONNREFUSED else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Went:
    """One place with what its name is, and a visit to each address."""

    place: Place
    resolved: Resolved | None
    visits: tuple[Visit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The login through the driver: `error` is what that says. `pooled` if a pooler is between."""

    error: str = ""
    pooled: bool = False
    seconds: float = 0.0


# By this command the private server is told from others.
PRIVATE_START = "agentpg server start"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServer:
    """A PostgreSQL of this machine, running or not.

    `label` is what its owner calls it; `start` the command that starts it. `status` is the word
    in postmaster.pid: starting, ready, standby or stopping. `stale` if that file is there and
    its process is not.
    """

    label: str
    data: str
    port: int | None
    running: bool
    pid: str = ""
    status: str = ""
    listens: str = ""
    folder: str = ""
    start: str = ""
    stale: bool = False
    hba: str = ""
    config: str = ""
    log: str = ""
    major: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What was seen around a visit that failed.

    `servers` are those of this machine, `sockets` its socket files in use, `listening` the
    addresses at the wanted port that something here listens on. `ports` are others of the same
    host at which a PostgreSQL answers; `host_answers` says whether anything at all came back
    from it. `server` is the one that was visited, where it is here. `rule` is what its
    pg_hba.conf says, and `log` what its log said meanwhile, or at last.
    """

    account: str
    is_local: bool = False
    servers: tuple[LocalServer, ...] = ()
    sockets: tuple[str, ...] = ()
    listening: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    host_answers: bool | None = None
    server: LocalServer | None = None
    rule: Match | Unlooked | None = None
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that was looked at. `wrong` or `wanted` is there; `around` where something failed."""

    now: datetime
    wrong: Wrong | NoService | None = None
    wanted: Wanted | None = None
    went: tuple[Went, ...] = ()
    key: ClientKey | None = None
    login: Login | None = None
    around: Surroundings | None = None

    @property
    def furthest(self) -> Visit | None:
        """The visit that came furthest, the first of several; None where there is no address."""
        return max(self.visits, key=_distance, default=None)

    @property
    def visits(self) -> tuple[Visit, ...]:
        """All visits, in the order in which libpq makes them."""
        return tuple(visit for went in self.went for visit in went.visits)
