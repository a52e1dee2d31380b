"""A visit to one address: as far as one comes towards a session, with what stopped it."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from agentpg.desk.doctor.connection.facts import (
    Certificate,
    ClientKey,
    Greeting,
    Place,
    Reply,
    Resolved,
    Visit,
    Wanted,
    Went,
)
from agentpg.desk.doctor.connection.handshake import agree, look_at, open_line
from agentpg.desk.doctor.connection.patience import Patience, within
from agentpg.desk.doctor.connection.speaking import Person, speak
from agentpg.desk.doctor.connection.wire import ask_for_tls, readable, refusal_in
from agentpg.desk.hba.here import is_here

# Within a data centre an answer takes a millisecond, and around the world a third of a second.
_NAME_SECONDS = 3.0
_CONNECT_SECONDS = 3.0
_ANSWER_SECONDS = 2.0

# Authentication refused: perhaps not with TLS, or not without.
_NOT_LIKE_THIS = "28000"

# The server starts, stops or recovers: it may be over in a moment.
_NOT_NOW = "57P03"
_A_MOMENT = 0.6


@dataclass(frozen=True, slots=True)
class Guide:
    """What every visit needs."""

    wanted: Wanted
    key: ClientKey | None
    patience: Patience
    person: Callable[[Place], Person]


def go(place: Place, guide: Guide) -> Went:
    """Visit all addresses of a place, in the order in which libpq tries them."""
    if place.folder:
        return Went(place=place, resolved=None, visits=(_visit(place, place.socket, guide),))
    if place.hostaddr:
        return Went(place=place, resolved=None, visits=(_visit(place, place.hostaddr, guide),))
    resolved = _resolve(place, guide.patience)
    visits: list[Visit] = []
    for address in resolved.addresses:
        visits.append(_visit(place, address, guide))
        if visits[-1].is_in:
            break
    return Went(place=place, resolved=resolved, visits=tuple(visits))


def _resolve(place: Place, patience: Patience) -> Resolved:
    begun = time.monotonic()

    def ask() -> list[str]:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(one[4][0]) for one in found))

    try:
        addresses = within(patience.seconds(_NAME_SECONDS), ask)
    except socket.gaierror as error:
        return Resolved(error=error.errno or 0, seconds=time.monotonic() - begun)
    except (OSError, UnicodeError):
        return Resolved(error=socket.EAI_NONAME, seconds=time.monotonic() - begun)
    seconds = time.monotonic() - begun
    if addresses is None:
        return Resolved(timed_out=True, seconds=seconds)
    return Resolved(addresses=tuple(addresses), seconds=seconds)


def _visit(place: Place, address: str, guide: Guide) -> Visit:
    visit, line = _connect(place, address, guide.patience)
    if line is None:
        return visit
    with closing(line):
        visit = _talk(visit, line, guide)
    visit = _look_again(visit, guide)
    if _sqlstate(visit.reply) == _NOT_NOW:
        time.sleep(_A_MOMENT)
        visit = replace(visit, later=_anew(visit, guide, tls=visit.by_tls, known=False))
    return visit


def _look_again(visit: Visit, guide: Guide) -> Visit:
    """Where one is refused, see whether the server would have it with TLS, or without."""
    if _sqlstate(visit.reply) != _NOT_LIKE_THIS or visit.place.folder or visit.greeting != "tls":
        return visit
    mode = guide.wanted.sslmode
    if guide.wanted.wants_tls:
        return visit
    # libpq goes on by itself in two modes; with "disable" it is only asked, without a password.
    other = _anew(visit, guide, tls=not visit.by_tls, known=mode != "disable")
    if mode != "disable" and other is not None and _sqlstate(other) != _NOT_LIKE_THIS:
        return replace(visit, reply=other, other=visit.reply)
    return replace(visit, other=other)


def _sqlstate(reply: Reply | None) -> str:
    return reply.refusal.sqlstate if reply and reply.refusal else ""


def _connect(place: Place, address: str, patience: Patience) -> tuple[Visit, socket.socket | None]:
    begun = time.monotonic()
    local = bool(place.folder) or is_here(address)
    visit = Visit(place=place, address=address, local=local)
    try:
        line = _line_to(place, address, patience.seconds(_CONNECT_SECONDS))
    except TimeoutError:
        seconds = time.monotonic() - begun
        return replace(visit, timed_out=True, error=errno.ETIMEDOUT, connect_seconds=seconds), None
    except ConnectionResetError:
        # It was connected, or it would be refused; and broken before we said anything.
        return replace(visit, greeting="closed", connect_seconds=time.monotonic() - begun), None
    except OSError as error:
        seconds = time.monotonic() - begun
        return replace(visit, error=error.errno or errno.EIO, connect_seconds=seconds), None
    ours = "" if place.folder else str(line.getsockname()[0])
    return replace(visit, ours=ours, connect_seconds=time.monotonic() - begun), line


def _line_to(place: Place, address: str, seconds: float) -> socket.socket:
    if not place.folder:
        return socket.create_connection((address, place.port), seconds)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.settimeout(seconds)
        # A name that begins with @ is one without a file.
        line.connect(f"\0{address[1:]}" if address.startswith("@") else address)
    except BaseException:
        line.close()
        raise
    return line


def _talk(visit: Visit, line: socket.socket, guide: Guide) -> Visit:
    """Ask for TLS, agree on it as is wanted, and begin a session."""
    line.settimeout(guide.patience.seconds(_ANSWER_SECONDS))
    if visit.place.folder:
        return _begin(visit, line, guide)
    greeting, first = _greet(line)
    visit = replace(visit, greeting=greeting)
    if greeting == "refused":
        return replace(visit, reply=Reply(ending="refused", refusal=refusal_in(first[5:])))
    if greeting == "plain":
        return visit if guide.wanted.wants_tls else _begin(visit, line, guide)
    if greeting != "tls":
        return replace(visit, first=readable(first))
    if guide.wanted.sslmode in ("disable", "allow"):
        return replace(visit, reply=_anew(visit, guide, tls=False))
    return _secure(visit, line, guide)


def _greet(line: socket.socket) -> tuple[Greeting, bytes]:
    try:
        return ask_for_tls(line)
    except TimeoutError:
        return "silent", b""
    except ConnectionError:
        return "closed", b""
    except OSError:
        return "lost", b""


def _secure(visit: Visit, line: socket.socket, guide: Guide) -> Visit:
    tls, secured = agree(line, guide.wanted, _name_of(visit.place), guide.key)
    if secured is not None:
        with closing(secured):
            return _begin(replace(visit, tls=tls), secured, guide)
    seen = _certificate_at(visit, guide)
    visit = replace(visit, tls=replace(tls, certificate=seen) if seen else tls)
    if guide.wanted.wants_tls:
        return visit
    # As libpq does with sslmode=prefer.
    return replace(visit, reply=_anew(visit, guide, tls=False))


def _begin(visit: Visit, line: socket.socket, guide: Guide) -> Visit:
    line.settimeout(guide.patience.seconds(_ANSWER_SECONDS))
    reply, strange = speak(line, guide.person(visit.place))
    return replace(visit, reply=reply, first=strange or visit.first)


def _anew(visit: Visit, guide: Guide, *, tls: bool, known: bool = True) -> Reply | None:
    """What a session on a new connection comes to; None where there is no connection.

    Unless `known`, no password is used: only the first answer matters.
    """
    person = guide.person(visit.place)
    with suppress(OSError), closing(_line_again(visit, guide)) as line:
        if not tls:
            return speak(line, person if known else person.nameless())[0]
        if ask_for_tls(line)[0] == "tls":
            # What it is believed for was decided before.
            secured = open_line(line, _name_of(visit.place), guide.key)
            with closing(secured):
                return speak(secured, person if known else person.nameless())[0]
    return None


def _certificate_at(visit: Visit, guide: Guide) -> Certificate | None:
    with suppress(OSError), closing(_line_again(visit, guide)) as line:
        if ask_for_tls(line)[0] == "tls":
            return look_at(line, _name_of(visit.place))
    return None


def _line_again(visit: Visit, guide: Guide) -> socket.socket:
    seconds = guide.patience.seconds(_ANSWER_SECONDS)
    line = _line_to(visit.place, visit.address, seconds)
    line.settimeout(seconds)
    return line


def _name_of(place: Place) -> str:
    return place.host or place.hostaddr
