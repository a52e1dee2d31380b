"""Looking at the way to a server, step by step, and around it where something stopped."""

from __future__ import annotations

import errno
import getpass
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agentpg.db import Database, connect, lasting
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.connection.facts import (
    Facts,
    LocalServer,
    Login,
    Place,
    Surroundings,
    Visit,
    Wanted,
    Went,
)
from agentpg.desk.doctor.connection.handshake import tried
from agentpg.desk.doctor.connection.logs import LogMark, last_said
from agentpg.desk.doctor.connection.machine import listening_at, sockets_in_use
from agentpg.desk.doctor.connection.patience import Patience, together, within
from agentpg.desk.doctor.connection.proving import allowed_by
from agentpg.desk.doctor.connection.reading import Read, read
from agentpg.desk.doctor.connection.servers import local_servers
from agentpg.desk.doctor.connection.speaking import Person
from agentpg.desk.doctor.connection.visiting import Guide, go
from agentpg.desk.doctor.connection.wire import ask_for_tls
from agentpg.desk.hba.matching import Asked, Match, first_match
from agentpg.errors import AgentpgError
from agentpg.settings import Settings

PATIENCE = timedelta(seconds=8)

# Where PostgreSQL and its poolers usually listen, and what most hosts answer at, to tell a host
# that is there from one that is not.
_USUAL_PORTS = (5432, 5433, 5434, 6432)
_ALIVE_PORTS = (22, 80, 443)
_PROBE_SECONDS = 1.0

# What the driver has at each address; where nobody answered us before, what libpq has at least.
_LOGIN_SECONDS = 3
_UNANSWERED_SECONDS = 2
_UNANSWERED_MOST = 5.0


def look(dsn: str, settings: Settings, limit: timedelta = PATIENCE) -> Facts:
    """Look at everything on the way that `dsn` names. Raises nothing for what it meets."""
    now = datetime.now(UTC)
    found = read(dsn)
    if not isinstance(found, Read):
        return Facts(now=now, wrong=found)
    patience = Patience(limit)
    key = tried(found.key)
    servers = local_servers(settings)
    marks = [LogMark.of(server) for server in servers if server.log]
    guide = Guide(found.wanted, key, patience, _person_for(found))
    went = tuple(together([_going(place, guide) for place in found.wanted.places]))
    facts = Facts(now=now, wanted=found.wanted, went=went, key=key)
    if any(visit.is_in or _is_driver_needed(visit, found.wanted) for visit in facts.visits):
        facts = replace(facts, login=_log_in(found))
    elif _may_be_understood(facts.furthest, found.wanted):
        # Of many addresses not all may take their time.
        most = patience.seconds(_UNANSWERED_MOST)
        login = within(most, lambda: _log_in(found, _UNANSWERED_SECONDS))
        facts = replace(facts, login=login)
    if facts.login is not None and not facts.login.error:
        return facts
    return replace(facts, around=_around(facts, servers, marks, patience))


def _going(place: Place, guide: Guide) -> Callable[[], Went]:
    return lambda: go(place, guide)


def _person_for(found: Read) -> Callable[[Place], Person]:
    wanted = found.wanted
    options = {n: found.conninfo.values[n] for n in ("replication",) if n in found.conninfo.values}
    return lambda place: Person(
        user=wanted.user,
        database=wanted.database,
        password=lambda: found.password(place),
        methods=allowed_by(found.conninfo.values),
        options={"application_name": "agentpg doctor", **options},
    )


def _is_driver_needed(visit: Visit, wanted: Wanted) -> bool:
    """Whether the server asks in a way that only the driver can answer."""
    reply = visit.reply
    by_password = reply is not None and reply.method in (3, 5, 10)
    asked = reply is not None and reply.ending == "asked"
    return asked and (wanted.has_password or not by_password)


def _may_be_understood(visit: Visit | None, wanted: Wanted) -> bool:
    """Whether the driver, which may begin in another way, may get through where we did not."""
    if visit is None or visit.error:
        return False
    return visit.unanswered or wanted.speaks_otherwise


def _log_in(found: Read, seconds: int = _LOGIN_SECONDS) -> Login:
    ignored = found.ignored_passwords()
    said = {"connect_timeout": str(seconds)} | ({"passfile": ignored} if ignored else {})
    database = Database(found.conninfo.for_place(**said))
    begun = time.monotonic()
    try:
        with connect(database, "agentpg doctor") as connection:
            pooled = lasting(connection) == "transaction"
    except AgentpgError as error:
        reason = str(error.values.get("reason") or error)
        return Login(error=reason, seconds=time.monotonic() - begun)
    return Login(pooled=pooled, seconds=time.monotonic() - begun)


def _around(
    facts: Facts, servers: tuple[LocalServer, ...], marks: list[LogMark], patience: Patience
) -> Surroundings:
    """What is to be seen around the visit that came furthest."""
    visit = facts.furthest
    account = _account()
    if visit is None:
        return Surroundings(account=account, servers=servers)
    server = next((one for one in servers if _is_it(one, visit)), None)
    around = Surroundings(
        account=account,
        is_local=visit.local,
        servers=servers if visit.local else (),
        sockets=sockets_in_use() if visit.local else (),
        listening=listening_at(visit.place.port) if visit.local else (),
        server=server if visit.local else None,
    )
    if visit.error and not visit.place.folder:
        around = _probe(around, visit, patience)
    if not visit.local or facts.wanted is None:
        return around
    if server is None and not visit.error:
        # What answered is in a container, say: no log here is about it.
        return around
    if server is not None and server.running:
        log = next((mark.wait() for mark in marks if mark.path == server.log), ())
        said = _about(log, visit, facts.wanted)
        return replace(around, rule=_rule(server, visit, facts.wanted), log=said)
    return replace(around, log=last_said(_stopped(around, visit)))


def _about(lines: tuple[str, ...], visit: Visit, wanted: Wanted) -> tuple[str, ...]:
    """Of what a busy server wrote meanwhile, what is about this login; all where it takes none."""
    refusal = visit.reply.refusal if visit.reply else None
    if refusal is None or refusal.sqlstate == "57P03":
        return lines
    return tuple(line for line in lines if wanted.user in line or "pg_hba" in line)


def _is_it(server: LocalServer, visit: Visit) -> bool:
    """Whether a server of this machine is the one that was visited, or would be."""
    if server.port != visit.place.port:
        return False
    if not server.running:
        # Where something answers, it is another: in a container, say.
        return bool(visit.error)
    if not visit.place.folder:
        # Of a server that is only seen by its socket, it is not known where it listens.
        return bool(visit.error or server.listens or not server.data)
    return not server.folder or server.folder == visit.place.folder


def _stopped(around: Surroundings, visit: Visit) -> LocalServer | None:
    stopped = [server for server in around.servers if not server.running]
    same = [server for server in stopped if server.port == visit.place.port]
    return next(iter(same or stopped), None)


def _probe(around: Surroundings, visit: Visit, patience: Patience) -> Surroundings:
    """See whether the host answers at other ports, and whether PostgreSQL does."""
    known = {server.port for server in around.servers if server.running and server.port}
    ports = [p for p in dict.fromkeys((*_USUAL_PORTS, *sorted(known))) if p != visit.place.port]
    silent = visit.error != errno.ECONNREFUSED
    more = [port for port in _ALIVE_PORTS if silent]
    seconds = patience.seconds(_PROBE_SECONDS)
    probes = [_probing(visit.address, port, seconds) for port in (*ports, *more)]
    answers = together(probes)
    return replace(
        around,
        ports=tuple(port for port, _, postgres in answers if postgres),
        host_answers=True if not silent else any(alive for _, alive, _ in answers),
    )


def _probing(address: str, port: int, seconds: float) -> Callable[[], tuple[int, bool, bool]]:
    """The port, whether the host answers there, and whether PostgreSQL does."""

    def probe() -> tuple[int, bool, bool]:
        try:
            with socket.create_connection((address, port), seconds) as line:
                if port in _ALIVE_PORTS:
                    return port, True, False
                line.settimeout(seconds)
                with suppress(OSError):
                    return port, True, ask_for_tls(line)[0] in ("tls", "plain")
                return port, True, False
        except ConnectionRefusedError:
            return port, True, False
        except OSError:
            return port, False, False

    return probe


def _rule(server: LocalServer, visit: Visit, wanted: Wanted) -> Match | Unlooked:
    asked = Asked(
        user=wanted.user,
        database=wanted.database,
        address="" if visit.place.folder else visit.ours,
        tls=visit.by_tls,
        replication=wanted.replication,
        major=server.major or 18,
    )
    return looked(lambda: first_match(Path(server.hba), asked))


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "?"
