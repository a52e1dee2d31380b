"""The steps of the way, each with what came of it: the ladder that is shown before the finding."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agentpg.desk.doctor.connection.case import quickly
from agentpg.desk.doctor.connection.facts import Facts, Reply, Visit, Wanted
from agentpg.language import N_

# Gone, stopped here, not come to, and gone in another way than was wanted.
State = Literal["done", "stopped", "ahead", "without"]

_METHODS = {
    0: N_("the server asks for nothing"),
    3: N_("by password"),
    5: N_("by password (MD5)"),
    7: N_("by Kerberos"),
    9: N_("by SSPI"),
    10: N_("by password (SCRAM)"),
}


_SYSTEM = {
    errno.ECONNREFUSED: N_("{address}: refused, in {time}"),
    errno.ENETUNREACH: N_("{address}: the network is unreachable, in {time}"),
    errno.EHOSTUNREACH: N_("{address}: the host is unreachable, in {time}"),
    errno.EACCES: N_("{address}: not permitted, in {time}"),
    errno.ENOENT: N_("{address}: there is no such socket"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name and what came of it, both to be translated; `values` fill the text."""

    name: str
    state: State
    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def steps_of(facts: Facts) -> tuple[Step, ...]:
    """The steps of the visit that came furthest."""
    wanted = facts.wanted
    if wanted is None:
        return (Step(N_("read"), "stopped"), *_ahead(5))
    text = N_("{place}, database {database}, role {user}")
    places = ", ".join(place.name for place in wanted.places)
    said = {"place": places, "database": wanted.database, "user": wanted.user}
    first = Step(N_("read"), "done", text, said)
    visit = facts.furthest
    if visit is None:
        return first, Step(N_("resolved"), "stopped", N_("no address is found")), *_ahead(4)
    return first, *_of(visit, facts, wanted)


def _of(visit: Visit, facts: Facts, wanted: Wanted) -> Iterator[Step]:
    yield from _resolved(visit, facts)
    connected = _connected(visit)
    yield connected
    if connected.state == "stopped":
        yield from _ahead(3)
        return
    tls = _tls(visit, wanted)
    answered = _answered(visit)
    ending = visit.reply.ending if visit.reply else ""
    if facts.login is not None and not facts.login.error and ending not in ("in", "asked"):
        yield from _by_driver(wanted)
        return
    # What stopped before comes first; TLS that was refused stops only who wants it.
    yield tls
    if tls.state == "stopped" and visit.reply is None:
        yield from _ahead(2)
        return
    yield answered
    yield _ahead(1)[0] if answered.state == "stopped" else _let_in(visit, facts, wanted)


def _by_driver(wanted: Wanted) -> Iterator[Step]:
    """What is known where only the driver is understood."""
    yield Step(N_("TLS"), "done" if wanted.wants_tls else "ahead")
    yield Step(N_("answered"), "done", N_("to the driver only"))
    yield Step(N_("authenticated"), "done", N_("by the driver"))


_NAMES = (N_("resolved"), N_("connected"), N_("TLS"), N_("answered"), N_("authenticated"))


def _ahead(number: int) -> tuple[Step, ...]:
    return tuple(Step(name, "ahead") for name in _NAMES[len(_NAMES) - number :])


def _resolved(visit: Visit, facts: Facts) -> Iterator[Step]:
    for went in facts.went:
        # An address is its own name.
        if visit in went.visits and went.resolved and went.place.host != visit.address:
            text = N_("{host} is {addresses}, in {time}")
            said = {
                "host": went.place.host,
                "addresses": ", ".join(went.resolved.addresses),
                "time": quickly(went.resolved.seconds),
            }
            yield Step(N_("resolved"), "done", text, said)


def _connected(visit: Visit) -> Step:
    name = N_("connected")
    where = visit.address if visit.place.folder else f"{visit.address}:{visit.place.port}"
    said = {"address": where, "time": quickly(visit.connect_seconds)}
    if not visit.error:
        return Step(name, "done", N_("{address}, in {time}"), said)
    if visit.timed_out:
        return Step(name, "stopped", N_("{address}: no answer in {time}"), said)
    system = {**said, "system": errno.errorcode.get(visit.error, str(visit.error))}
    text = _SYSTEM.get(visit.error, N_("{address}: {system}, in {time}"))
    return Step(name, "stopped", text, system)


def _tls(visit: Visit, wanted: Wanted) -> Step:
    name = N_("TLS")
    if visit.place.folder:
        return Step(name, "without", N_("none over a socket"))
    tls = visit.tls
    if visit.greeting == "plain":
        state: State = "stopped" if wanted.wants_tls else "without"
        text = N_("the server offers none; sslmode={sslmode}")
        return Step(name, state, text, {"sslmode": wanted.sslmode})
    if visit.greeting != "tls":
        return Step(name, "ahead")
    if tls is None:
        return Step(name, "without", N_("none, by sslmode={sslmode}"), {"sslmode": wanted.sslmode})
    shown = tls.certificate
    said = {
        "version": tls.version,
        "names": ", ".join(shown.names) if shown else "?",
        "ends": f"{shown.ends_at:%Y-%m-%d}" if shown else "?",
        "reason": tls.reason or tls.problem,
    }
    if tls.problem:
        state = "without" if visit.reply is not None else "stopped"
        text = N_("{reason}; certificate of {names} until {ends}") if shown else "{reason}"
        return Step(name, state, text, said)
    text = N_("{version}, certificate of {names} until {ends}") if shown else "{version}"
    return Step(name, "done", text, said)


def _answered(visit: Visit) -> Step:
    name, reply = N_("answered"), visit.reply
    if visit.greeting in ("silent", "foreign", "closed", "lost"):
        return Step(name, "stopped", _NO_ANSWERS[visit.greeting], {"first": repr(visit.first)})
    if reply is None:
        return Step(name, "ahead")
    said = {"time": quickly(reply.seconds), "first": repr(visit.first)}
    if reply.ending in _NO_ANSWERS:
        return Step(name, "stopped", _NO_ANSWERS[reply.ending], said)
    if reply.refusal is not None and reply.method is None:
        refusal = {"sqlstate": reply.refusal.sqlstate or "?", "said": reply.refusal.message}
        return Step(name, "stopped", N_("SQLSTATE {sqlstate}: {said}"), refusal)
    return Step(name, "done", N_("in {time}"), said)


_NO_ANSWERS = {
    "silent": N_("nothing was said in time"),
    "foreign": N_("not PostgreSQL: {first}"),
    "closed": N_("the connection was closed"),
    "lost": N_("the connection broke"),
}


def _let_in(visit: Visit, facts: Facts, wanted: Wanted) -> Step:
    name, reply, login = N_("authenticated"), visit.reply, facts.login
    if reply is None:
        return Step(name, "ahead")
    if reply.refusal is not None:
        said = {"sqlstate": reply.refusal.sqlstate or "?", "said": reply.refusal.message}
        return Step(name, "stopped", N_("SQLSTATE {sqlstate}: {said}"), said)
    if login is not None and login.error:
        return Step(name, "stopped", N_("libpq says: {said}"), {"said": login.error})
    if reply.ending == "asked" and login is None:
        return Step(name, "stopped", _unproved(reply, wanted))
    return Step(name, "done", _METHODS.get(reply.method or 0, N_("by another method")))


def _unproved(reply: Reply, wanted: Wanted) -> str:
    if reply.method in (3, 5, 10) and not wanted.has_password:
        return N_("it asks for a password, and there is none")
    return N_("it asks by a method that needs the driver")
