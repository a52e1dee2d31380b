"""TLS: whether it is offered, what it is worth, until when, and who goes without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from agentpg.desk.check import Say, Unlooked, amount
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.desk.security.addresses.case import AddressCheck, Case, Said
from agentpg.desk.security.tls.facts import Shown
from agentpg.language import N_

_INSTALL = Remedy(
    sentence=N_("Give the server a certificate of a private authority."),
    command="agentpg security tls create && agentpg security tls install",
)
_RENEW = Remedy(
    sentence=N_("Renew it: no session ends, new ones see the new one."),
    command="agentpg security tls renew",
)
_OLD = ("TLSv1", "TLSv1.1", "")
_BROKEN_HASHES = ("md5", "sha1")
_NO_TLS = N_("the server offers no TLS")


def _offered(say: Say, case: Case) -> Said:
    server = case.facts.server
    if isinstance(server, Unlooked):
        return (say.unknown(server),)
    if server.has_tls:
        return (say("ok", N_("the server offers TLS")),)
    if not server.is_reachable:
        return (say("ok", N_("the server offers no TLS, and listens to this machine alone")),)
    return (
        say(
            "warning",
            N_("the server listens to other machines, and offers no TLS"),
            "ssl",
            [_INSTALL],
        ),
    )


def _version(say: Say, case: Case) -> Said:
    server = case.facts.server
    if isinstance(server, Unlooked):
        return (say.unknown(server),)
    if not server.has_tls:
        return (say("ok", _NO_TLS),)
    least = server.least_version or ""
    if least not in _OLD:
        return (say("ok", N_("TLS begins with {version}"), version=least),)
    remedy = Remedy(
        sentence=N_("Take newer versions alone."),
        sql="ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1.2'; SELECT pg_reload_conf()",
    )
    sentence = N_("TLS is taken from {version} on, which can be broken")
    return (say("warning", sentence, "ssl_min_protocol_version", [remedy], version=least or "any"),)


def _expiry(say: Say, case: Case) -> Said:
    found = case.facts.certificate
    if isinstance(found, Unlooked):
        return (say.unknown(found),)
    served = found.serial if found else ""
    seen = {one.serial: one for one in (*([found] if found else []), *case.facts.issued)}
    said = [_ends(say, case, one, served=one.serial == served) for one in seen.values()]
    amiss = [one for one in said if one.level != "ok"]
    return tuple(amiss) or (_all_hold(say, case, list(seen.values())),)


def _all_hold(say: Say, case: Case, seen: Sequence[Shown]) -> Finding:
    if not seen:
        return say("ok", N_("there is no certificate that could end"))
    first = min(seen, key=lambda one: one.ends_at)
    return say(
        "ok",
        N_("of {count} certificates, that of {subject} ends first, in {left}"),
        first.subject,
        count=len(seen),
        left=amount(first.ends_at - case.facts.now),
        ends_at=first.ends_at.isoformat(),
    )


def _ends(say: Say, case: Case, one: Shown, *, served: bool) -> Finding:
    left = one.ends_at - case.facts.now
    level = _level(left, case)
    # What no server shows stops nobody but its owner.
    level = level if served or level != "critical" else "warning"
    text = N_("the certificate of {subject} ends in {left}")
    if left <= timedelta():
        text = N_("the certificate of {subject} has ended {left} ago")
    ends = one.ends_at.isoformat()
    return say(
        level, text, one.subject, [_RENEW], left=amount(abs(left)), ends_at=ends, serial=one.serial
    )


def _level(left: timedelta, case: Case) -> Level:
    if left < case.policy.expiry_critical:
        return "critical"
    return "warning" if left < case.policy.expiry_warning else "ok"


def _worth(say: Say, case: Case) -> Said:
    found = case.facts.certificate
    if isinstance(found, Unlooked):
        return (say.unknown(found),)
    if found is None:
        return (say("ok", _NO_TLS),)
    said = tuple(
        say("warning", text, found.subject, [_INSTALL], cause="", **more)
        for text, more in _flaws(found, case)
    )
    well = N_("the server's certificate is for {names}, signed by {issuer} by way of {hash}")
    return said or (
        say(
            "ok",
            well,
            names=", ".join(found.names),
            issuer=found.issuer,
            hash=found.hash_name or "–",
            bits=found.bits,
        ),
    )


def _flaws(found: Shown, case: Case) -> Iterator[tuple[str, dict[str, Any]]]:
    if found.self_signed:
        yield (
            N_(
                "the server's certificate was signed by itself: no client can tell it from "
                "another's"
            ),
            {},
        )
    if not found.names:
        yield N_("the server's certificate is for no name"), {}
    if found.bits is not None and found.bits < case.policy.least_bits:
        yield N_("the key of the server's certificate has {bits} bits only"), {"bits": found.bits}
    if found.hash_name in _BROKEN_HASHES:
        yield N_("the server's certificate is signed by way of {hash}"), {"hash": found.hash_name}
    if found.begins_at > case.facts.now:
        yield N_("the server's certificate does not hold yet"), {}


def _sessions(say: Say, case: Case) -> Said:
    found = case.facts.open_sessions
    if isinstance(found, Unlooked):
        grant = Remedy(sentence=N_("Let the role see it."), sql="GRANT pg_monitor TO …")
        return (say.unknown(found, grant),)
    said = tuple(
        say(
            "warning",
            N_(
                "{sessions} sessions of {role} come from {address} without encryption "
                "({application})"
            ),
            one.role,
            [
                Remedy(
                    sentence=N_(
                        "Have it ask for TLS: sslmode=verify-full in its connection string."
                    )
                )
            ],
            sessions=one.sessions,
            role=one.role,
            address=one.address,
            application=one.application or "-",
        )
        for one in found
    )
    if case.facts.remote_sessions is None:
        return said or (say("ok", N_("no session from another machine is without encryption")),)
    text = N_("of {sessions} sessions from other machines none is without encryption")
    if not case.facts.remote_sessions:
        text = N_("no session comes from another machine")
    return said or (say("ok", text, sessions=case.facts.remote_sessions),)


def _our_way(say: Say, case: Case) -> Said:
    lax = [way for way in case.facts.ways if way.remote and way.mode != "verify-full"]
    remedy = Remedy(
        sentence=N_(
            "Say sslmode=verify-full and sslrootcert in it: less does not prove who answers."
        )
    )
    said = tuple(
        say(
            "warning",
            N_(
                "{subject} goes to {target} with sslmode={mode}, which any server in between can "
                "answer"
            ),
            way.setting,
            [remedy],
            target=way.target,
            mode=way.mode,
        )
        for way in lax
    )
    ways = ", ".join(f"{way.setting} sslmode={way.mode}" for way in case.facts.ways) or "–"
    well = N_("our own connections prove who answers, or stay on this machine: {ways}")
    return said or (say("ok", well, ways=ways),)


def _list(say: Say, case: Case) -> Said:
    found = case.facts.revoked
    if isinstance(found, Unlooked):
        return (say.unknown(found),)
    if found is None or found.ends_at is None:
        return (say("ok", N_("no list of revoked certificates ends")),)
    left = found.ends_at - case.facts.now
    level = _level(left, case)
    if level == "ok":
        text = N_("{count} certificates are revoked; the list holds for {left}")
        return (say("ok", text, count=found.count, left=amount(left)),)
    text = N_(
        "the list of revoked certificates ends in {left}; from then on no client's certificate is "
        "taken"
    )
    if left <= timedelta():
        text = N_(
            "the list of revoked certificates has ended {left} ago: no client's certificate is "
            "taken"
        )
    return (say(level, text, found.file, [_RENEW], left=amount(abs(left)), count=found.count),)


def _key(say: Say, case: Case) -> Said:
    mode = case.facts.key_mode
    if isinstance(mode, Unlooked):
        return (say.unknown(mode),)
    if mode is None:
        return (say("ok", _NO_TLS),)
    # Root's key may be readable for its group, as PostgreSQL itself takes it.
    if mode & 0o027 == 0:
        return (say("ok", N_("the server's key is its own, mode {mode}"), mode=f"{mode:04o}"),)
    text = N_("the server's key has the mode {mode}: others of the machine may read it")
    remedy = Remedy(
        sentence=N_("Close it, and renew the certificate, since it may have been read."),
        command="chmod 0600 …",
    )
    return (say("critical", text, "ssl_key_file", [remedy, _RENEW], mode=f"{mode:04o}"),)


TLS_CHECKS = (
    AddressCheck(
        code="L10",
        source="CIS 6.8; PostgreSQL 18.9",
        title=N_("A server without TLS"),
        levels=("warning",),
        threshold=N_("warning: ssl is off, and the server listens to other machines"),
        contact="dba",
        cause=N_("nobody has given it a certificate"),
        proof=N_("`agentpg security tls check` names its certificate."),
        decide=_offered,
    ),
    AddressCheck(
        code="L11",
        source="CIS 6.8; RFC 8996",
        title=N_("Versions of TLS that can be broken"),
        levels=("warning",),
        threshold=N_("warning: ssl_min_protocol_version below TLSv1.2 (RFC 8996)"),
        contact="dba",
        cause=N_("an old client was to be let in"),
        proof=N_("SHOW ssl_min_protocol_version says TLSv1.2 or later."),
        decide=_version,
    ),
    AddressCheck(
        code="L12",
        source="PostgreSQL 18.9; RFC 5280 4.1.2.5",
        title=N_("Certificates that end"),
        levels=("warning", "critical"),
        threshold=N_("< 30 d / < 7 d (certificate_warning, certificate_critical)"),
        contact="ops",
        cause=N_("it was made for a time, and that is over or nearly so"),
        proof=N_("`agentpg security tls check` names a later end."),
        decide=_expiry,
    ),
    AddressCheck(
        code="L13",
        source="PostgreSQL 18.9; NIST SP 800-57",
        title=N_("What the server's certificate is worth"),
        levels=("warning",),
        threshold=N_(
            "warning: signed by itself, without a name, by way of SHA-1, or an RSA key below 2048 "
            "bits (NIST SP 800-57)"
        ),
        contact="dba",
        cause=N_("it is the one that the package has made"),
        proof=N_("a client with sslmode=verify-full gets in."),
        decide=_worth,
    ),
    AddressCheck(
        code="L14",
        source="CIS 6.8; PostgreSQL pg_stat_ssl",
        title=N_("Sessions without TLS"),
        levels=("warning",),
        threshold=N_(
            "warning: any session from another machine that pg_stat_ssl and pg_stat_gssapi say is "
            "open"
        ),
        contact="ops",
        cause=N_("its connection string does not ask for TLS, and a line lets it in without"),
        proof=N_("pg_stat_ssl has ssl for every session from another machine."),
        decide=_sessions,
    ),
    AddressCheck(
        code="L15",
        source="PostgreSQL 32.19",
        title=N_("Our own connection strings"),
        levels=("warning",),
        threshold=N_("warning: one to another machine with less than sslmode=verify-full"),
        contact="dba",
        cause=N_("libpq's default, prefer, takes whatever answers"),
        proof=N_("`agentpg doctor connection` gets in with sslmode=verify-full."),
        decide=_our_way,
    ),
    AddressCheck(
        code="L16",
        source="PostgreSQL 18.9; RFC 5280 5",
        title=N_("The list of revoked certificates"),
        levels=("warning", "critical"),
        threshold=N_("< 30 d / < 7 d (certificate_warning, certificate_critical)"),
        contact="ops",
        cause=N_("a list holds for a time, and was not signed anew"),
        proof=N_("`agentpg security tls check` says nothing of it."),
        decide=_list,
    ),
    AddressCheck(
        code="L17",
        source="PostgreSQL 18.9",
        title=N_("The server's key"),
        levels=("critical",),
        threshold=N_("critical: others of the machine may read it"),
        contact="dba",
        cause=N_("it was copied without its mode"),
        proof=N_("`stat` shows 0600, or 0640 of root."),
        decide=_key,
    ),
)
