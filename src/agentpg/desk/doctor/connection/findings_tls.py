"""What keeps the two sides from agreeing on TLS, C14 to C21."""

from __future__ import annotations

import shlex
from datetime import timedelta

from agentpg.desk.check import Say
from agentpg.desk.doctor.connection.case import Case, check
from agentpg.desk.doctor.connection.facts import Certificate, ClientKey, Tls
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

NOT_OFFERED = check(
    "C14",
    N_("The server offers no TLS"),
    cause=N_("the server has `ssl` off, or a proxy in between speaks no TLS"),
    meaning="libpq says: server does not support SSL, but SSL was required. The client wants TLS "
    "by its `sslmode`.",
    idea="turn TLS on at the server; on a network that you trust, `sslmode=prefer` does without.",
    proof=N_("`SHOW ssl` says on, and `agentpg doctor connection` gets in."),
)
DEMANDED = check(
    "C15",
    N_("The server takes this login only with TLS"),
    cause=N_("pg_hba.conf has a line of kind hostssl for it, and the client goes without TLS"),
    meaning="The server refuses the login without TLS (SQLSTATE 28000), and asks for proof when "
    "the same comes by TLS.",
    idea="connect with `sslmode=require`, or better `verify-full`.",
)
EXPIRED = check(
    "C16",
    N_("The server's certificate is out of its time"),
    cause=N_("nobody renewed the certificate, or a clock is wrong"),
    meaning="libpq says: certificate verify failed. The certificate, or one of those above it, has "
    "expired or is not valid yet. A warning comes 14 days before.",
    idea="renew the certificate, and let the server read it anew.",
    info=True,
)
UNTRUSTED = check(
    "C17",
    N_("The server's certificate is not trusted"),
    cause=N_("the root file is of another authority, or the server sends no chain to it"),
    meaning="libpq says: certificate verify failed, or root certificate file does not exist. "
    "libpq trusts the authorities of `sslrootcert` alone, `~/.postgresql/root.crt` by default.",
    idea="get the certificate of the server's authority by a way that you trust.",
)
MISNAMED = check(
    "C18",
    N_("The server's certificate is for another name"),
    cause=N_("the server is called by a name, or an address, that its certificate does not have"),
    meaning="libpq says: server certificate does not match host name. `sslmode=verify-full` "
    "compares the name.",
    idea="connect by a name in the certificate, or have one made that has this name.",
)
OUR_KEY = check(
    "C19",
    N_("Our own certificate or key cannot be used"),
    cause=N_("the key's file can be read by others, or belongs to another certificate"),
    meaning="libpq says: private key file has group or world access, or could not load it. "
    "The client's certificate is `sslcert`, its key `sslkey`.",
    idea="give the key's file the mode 0600, or name the pair that belongs together.",
)
CLIENT_CERTIFICATE = check(
    "C20",
    N_("The server wants a certificate of the client"),
    cause=N_("pg_hba.conf asks for one by clientcert or the method cert, and none was shown"),
    meaning="The server says: connection requires a valid client certificate (SQLSTATE 28000).",
    idea="name the certificate and its key by `sslcert` and `sslkey`.",
)
HANDSHAKE = check(
    "C21",
    N_("TLS cannot be agreed on"),
    cause=N_("the two have no version or cipher in common, or a file of theirs is damaged"),
    meaning="libpq says: SSL error. What OpenSSL has against it is shown.",
    idea="compare the versions and the files of both sides.",
)

TLS_CHECKS = (
    NOT_OFFERED,
    DEMANDED,
    EXPIRED,
    UNTRUSTED,
    MISNAMED,
    OUR_KEY,
    CLIENT_CERTIFICATE,
    HANDSHAKE,
)

# Enough for somebody to be asked, and to do it.
_SOON = timedelta(days=14)


def not_offered(case: Case) -> Finding:
    """A client that wants TLS, and a server that has none."""
    text = N_("{subject} offers no TLS, and sslmode={sslmode} wants it")
    turn_on = Remedy(
        sentence=N_("Give the server a certificate and a key, and turn TLS on."),
        sql=case.sql("turn_tls_on"),
        risk="careful",
    )
    without = Remedy(
        sentence=N_("On a network that you trust, go without."),
        command=case.doctor(sslmode="prefer"),
    )
    remedies = (turn_on, without)
    return Say(NOT_OFFERED)("critical", text, case.name, remedies, sslmode=case.wanted.sslmode)


def demanded(case: Case) -> Finding:
    """A client that goes without TLS, and a server that does not take it so."""
    text = N_("{subject} refuses {user} without TLS, and would go on with it")
    use = Remedy(sentence=N_("Connect with TLS."), command=case.doctor(sslmode="require"))
    return Say(DEMANDED)(
        "critical",
        text,
        case.name,
        (use,),
        user=case.wanted.user,
        sslmode=case.wanted.sslmode,
        said=case.refusal.message,
    )


def our_key(key: ClientKey) -> Finding:
    """A client's certificate or key that libpq refuses."""
    say = Say(OUR_KEY)
    file = key.certificate if key.problem == "missing" and not key.mode else key.key
    if key.problem == "mode":
        text = N_("the key {subject} can be read by others (mode {mode}): libpq refuses it")
        close = Remedy(
            sentence=N_("Close it to others."), command=f"chmod 600 {shlex.quote(key.key)}"
        )
        return say("critical", text, key.key, (close,), mode=f"{key.mode:04o}")
    look = Remedy(
        sentence=N_("Look at both files."),
        command=f"ls -l {shlex.quote(key.certificate)} {shlex.quote(key.key)}",
    )
    text = N_("the client's certificate or key is missing: {certificate}, {key}")
    if key.problem == "not a pair":
        text = N_("the key {key} does not belong to the certificate {certificate}")
    elif key.problem == "unreadable":
        text = N_("the client's certificate or key cannot be read: {certificate}, {key}")
    return say("critical", text, file, (look,), certificate=key.certificate, key=key.key)


def client_certificate(case: Case) -> Finding:
    """A server that wants to see a certificate."""
    text = N_("{subject} wants a certificate of the client for {user}")
    show = Remedy(
        sentence=N_("Name yours and its key."),
        command=case.doctor(sslmode="verify-full", sslcert="FILE.crt", sslkey="FILE.key"),
    )
    return Say(CLIENT_CERTIFICATE)(
        "critical",
        text,
        case.name,
        (show,),
        user=case.wanted.user,
        said=case.refusal.message,
    )


def not_agreed(case: Case, tls: Tls) -> Finding:
    """A handshake that failed."""
    match tls.problem:
        case "expired":
            return _expired(case, tls.certificate)
        case "name":
            return _misnamed(case, tls.certificate)
        case "untrusted" | "no root":
            return _untrusted(case, tls)
    text = N_("no TLS is agreed on with {subject}: {reason}")
    look = Remedy(
        sentence=N_("See what the server offers."),
        command=f"openssl s_client -starttls postgres -connect {_connect_to(case)} </dev/null",
    )
    return Say(HANDSHAKE)("critical", text, case.name, (look,), reason=tls.reason or "?")


def ends_soon(case: Case) -> Finding | None:
    """A warning of a certificate that ends within 14 days; None where there is time."""
    shown = case.visit.tls.certificate if case.visit.tls else None
    if shown is None or shown.ends_at - case.facts.now > _SOON:
        return None
    days = max((shown.ends_at - case.facts.now).days, 0)
    text = N_("the certificate of {subject} ends in {days} days, on {ends}")
    remedies = (_renew(case), _read_again(case))
    return Say(EXPIRED)("info", text, case.name, remedies, days=days, ends=_day(shown))


def _expired(case: Case, shown: Certificate | None) -> Finding:
    remedies = (_renew(case), _read_again(case))
    if shown is None:
        text = N_("the certificate of {subject} is out of its time")
        return Say(EXPIRED)("critical", text, case.name, remedies)
    text = N_("the certificate of {subject} ended on {ends}")
    if shown.begins_at > case.facts.now:
        text = N_("the certificate of {subject} begins on {begins} only")
    elif shown.ends_at > case.facts.now:
        text = N_("a certificate above that of {subject} is out of its time")
    return Say(EXPIRED)(
        "critical",
        text,
        case.name,
        remedies,
        ends=_day(shown),
        begins=f"{shown.begins_at:%Y-%m-%d}",
        issuer=shown.issuer,
    )


def _misnamed(case: Case, shown: Certificate | None) -> Finding:
    names = shown.names if shown else ()
    text = N_("the certificate of {subject} is for {names}, not for {name}")
    place = case.visit.place
    use = Remedy(
        sentence=N_("Connect by a name that it has."),
        command=case.doctor(host=names[0] if names else "NAME", hostaddr=case.visit.address),
    )
    return Say(MISNAMED)(
        "critical",
        text,
        case.name,
        (use,),
        names=", ".join(names) or "?",
        name=place.host or place.hostaddr,
    )


def _untrusted(case: Case, tls: Tls) -> Finding:
    root = case.wanted.root_file
    get = Remedy(
        sentence=N_("Put the certificate of the server's authority there, got by a safe way."),
        command=f"install -D -m 644 AUTHORITY.crt {shlex.quote(root)}",
    )
    look = Remedy(
        sentence=N_("See what the server shows."),
        command=f"openssl s_client -starttls postgres -showcerts -connect {_connect_to(case)} "
        "</dev/null",
    )
    shown = tls.certificate
    issuer = shown.issuer if shown else "?"
    if tls.problem == "no root":
        text = N_("sslmode={sslmode} needs the root file {root}, and it is not there")
        evidence = {"sslmode": case.wanted.sslmode, "root": root, "issuer": issuer}
        return Say(UNTRUSTED)("critical", text, case.name, (get, look), **evidence)
    text = N_("the certificate of {subject}, by {issuer}, is not trusted by {root}")
    return Say(UNTRUSTED)(
        "critical",
        text,
        case.name,
        (look, get),
        issuer=issuer,
        root=root,
        verify_code=tls.verify_code,
    )


def _renew(case: Case) -> Remedy:
    return Remedy(
        sentence=N_("See its dates, and have a new one made."),
        command=f"openssl s_client -starttls postgres -connect {_connect_to(case)} </dev/null "
        "| openssl x509 -noout -dates",
    )


def _read_again(case: Case) -> Remedy:
    return Remedy(
        sentence=N_("Put it in place of `ssl_cert_file`, and let the server read it."),
        sql=case.sql("reload"),
    )


def _connect_to(case: Case) -> str:
    host = case.visit.place.host or case.visit.address
    inside = f"[{host}]" if ":" in host else host
    return shlex.quote(f"{inside}:{case.visit.place.port}")


def _day(shown: Certificate) -> str:
    return f"{shown.ends_at:%Y-%m-%d}"
