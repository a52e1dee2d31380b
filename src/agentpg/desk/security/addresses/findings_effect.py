"""Who gets in: by no proof or a weak one, from too far, without encryption, with too much power."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agentpg.desk.check import Say
from agentpg.desk.finding import Level, Remedy
from agentpg.desk.hba.matching import Match, network_of
from agentpg.desk.hba.reading import Line
from agentpg.desk.security.addresses.case import (
    PROPOSE,
    READABLE,
    AddressCheck,
    Case,
    Said,
    by_line,
    origins,
    place,
    role_names,
    some,
)
from agentpg.desk.security.addresses.effects import Effect
from agentpg.language import N_

_NARROWER = Remedy(
    sentence=N_("Let in those networks alone from which somebody comes."),
    command="agentpg security hba propose --network 10.0.5.0/24",
)
_ONLY_TLS = Remedy(
    sentence=N_("Turn TLS on, then let only that in."), command="agentpg security tls install"
)


def _said(
    say: Say,
    case: Case,
    found: Sequence[Effect],
    level: Callable[[Sequence[Effect]], Level],
    sentence: str,
    well: str,
    remedies: Sequence[Remedy] = (PROPOSE,),
) -> Said:
    """One finding for each line that decides."""
    if case.blind is not None:
        return (say.unknown(case.blind, READABLE),)
    said = tuple(
        say(
            level(alike),
            sentence,
            place(match),
            remedies,
            line=match.text,
            method=match.method,
            roles=some(role_names(alike)),
            role_count=len(role_names(alike)),
            origins=origins(alike),
        )
        for match, alike in by_line(found).items()
    )
    return said or (say("ok", well),)


def _trust(say: Say, case: Case) -> Said:
    server = case.server
    reachable = server is None or server.is_reachable
    found = [
        one
        for one in case.effects
        if one.match.method == "trust"
        and one.lets_in
        and (reachable or not one.origin.is_outside)
        # A certificate that is asked for is a proof too.
        and "clientcert=verify-full" not in one.match.text
    ]

    def level(alike: Sequence[Effect]) -> Level:
        return "critical" if any(one.origin.is_outside for one in alike) else "warning"

    sentence = N_("line {subject} lets in whoever says to be {roles}, from {origins}: trust")
    return _said(say, case, found, level, sentence, N_("nobody gets in without a proof"))


def _weak(say: Say, case: Case) -> Said:
    def is_weak(one: Effect) -> bool:
        far = bool(one.origin.address)
        return one.match.method in ("password", "md5") or (one.match.method == "ident" and far)

    found = [one for one in case.effects if one.lets_in and is_weak(one)]

    def level(alike: Sequence[Effect]) -> Level:
        open_text = alike[0].match.method == "password"
        far = any(one.origin.is_outside and not one.tls for one in alike)
        return "critical" if open_text and far else "warning"

    sentence = N_("line {subject} takes a weak proof from {roles}, from {origins}: {method}")
    return _said(say, case, found, level, sentence, N_("no proof is a weak one"))


def _wide(say: Say, case: Case) -> Said:
    lines = {(line.file, line.number): line for line in _lines(case)}

    def is_wide(match: Match) -> bool:
        line = lines.get((match.file, match.number))
        return line is not None and _is_wide(line, case)

    found = [one for one in case.outside() if is_wide(one.match)]
    sentence = N_("line {subject} lets {roles} in from more than a site has: {line}")
    well = N_("no network that is let in is wider than a site's")
    return _said(say, case, found, lambda _: "warning", sentence, well, (_NARROWER,))


def _is_wide(line: Line, case: Case) -> bool:
    if line.fields[3][0].means("all"):
        return True
    network = network_of(line)
    if network is None:
        return False
    least = case.policy.widest_v4 if network[2] == 4 else case.policy.widest_v6
    return network[1].bit_count() < least


def _lines(case: Case) -> Sequence[Line]:
    return case.facts.lines if isinstance(case.facts.lines, tuple) else ()


def _unencrypted(say: Say, case: Case) -> Said:
    found = [one for one in case.outside() if not one.tls]
    sentence = N_("line {subject} lets {roles} in without encryption, from {origins}")
    well = N_("from other machines only TLS comes in")
    return _said(say, case, found, lambda _: "warning", sentence, well, (_ONLY_TLS, PROPOSE))


def _powerful(say: Say, case: Case) -> Said:
    found = [one for one in case.outside() if one.roles[0].is_superuser]
    sentence = N_("line {subject} lets superusers in from other machines: {roles}, from {origins}")
    well = N_("superusers get in from this machine alone")
    return _said(say, case, found, lambda _: "warning", sentence, well)


EFFECT_CHECKS = (
    AddressCheck(
        code="L03",
        source="CIS 5.3, 5.4; PostgreSQL 20.4",
        title=N_("Who gets in without a proof"),
        levels=("warning", "critical"),
        threshold=N_(
            "warning: trust by the socket or loopback; critical: from another machine (CIS "
            "PostgreSQL 15, 5)"
        ),
        contact="dba",
        cause=N_("it was written to get going, or initdb was run without --auth"),
        proof=N_("`agentpg security hba explain` shows another method."),
        decide=_trust,
    ),
    AddressCheck(
        code="L04",
        source="CIS 5.4; PostgreSQL 20.5",
        title=N_("Weak proofs"),
        levels=("warning", "critical"),
        threshold=N_(
            "warning: md5, password, or ident by the network; critical: password from another "
            "machine without TLS (CIS PostgreSQL 15, 5)"
        ),
        contact="dba",
        cause=N_("the file is older than scram-sha-256, which PostgreSQL has since version 10"),
        proof=N_("`agentpg security hba explain` shows scram-sha-256, peer or cert."),
        decide=_weak,
    ),
    AddressCheck(
        code="L05",
        source="CIS 5.4; PGDSAT 5.6",
        title=N_("Networks that are too wide"),
        levels=("warning",),
        threshold=N_(
            "warning: wider than /16 of IPv4 or /64 of IPv6, where the server listens to other "
            "machines"
        ),
        contact="ops",
        cause=N_("nobody said from where clients come"),
        proof=N_(
            "`agentpg security hba explain --address` says that a foreign address fits no line."
        ),
        decide=_wide,
    ),
    AddressCheck(
        code="L06",
        source="CIS 5.4, 6.8",
        title=N_("Ways in without encryption"),
        levels=("warning",),
        threshold=N_("warning: any line that lets another machine in without TLS"),
        contact="dba",
        cause=N_("the lines say host where hostssl is meant, or the server offers no TLS"),
        proof=N_("`agentpg security hba explain --address … --no-tls` fits no line, or a reject."),
        decide=_unencrypted,
    ),
    AddressCheck(
        code="L07",
        source="CIS 5.4; PGDSAT 5.8",
        title=N_("Superusers from other machines"),
        levels=("warning",),
        threshold=N_("warning: any line that lets a superuser in from another machine"),
        contact="dba",
        cause=N_("a line for all roles is one for superusers too"),
        proof=N_("`agentpg security hba explain --role postgres --address …` fits a reject."),
        decide=_powerful,
    ),
)
