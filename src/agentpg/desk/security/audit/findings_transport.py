"""What goes over the network, and who may read the server's files: A39 to A44."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from agentpg.desk.check import Say, Unlooked
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.desk.security.audit.facts import Facts, File
from agentpg.desk.security.audit.findings_addresses import reachable
from agentpg.desk.security.audit.policy import Policy
from agentpg.desk.security.audit.saying import Said, check, hidden, rest, setting
from agentpg.language import N_

_OLD_PROTOCOLS = ("", "TLSv1", "TLSv1.1")

# What OpenSSL's own words for weak ones, or their names, begin with or are.
_WEAK = ("ALL", "LOW", "EXPORT", "RC4", "3DES", "DES-CBC3", "NULL", "eNULL", "aNULL", "MD5")
# PostgreSQL's own before 18 lists what is strong, and aNULL and 3DES as what is not.
_ENOUGH = "HIGH:!aNULL:!3DES:!RC4:!MD5"

_TLS = Remedy(
    sentence=N_("Give the server a certificate, and turn TLS on; it takes a reload."),
    sql="ALTER SYSTEM SET ssl = on; SELECT pg_reload_conf()",
    risk="careful",
    undo="ALTER SYSTEM RESET ssl; SELECT pg_reload_conf()",
)


def _ssl(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if facts.value("ssl") == "on":
        return (say("ok", N_("TLS is on")),)
    if not reachable(facts):
        text = N_("TLS is off, and the server listens to this machine alone")
        return (say("info", text),)
    return (say("critical", N_("TLS is off, and the server listens to others"), "", (_TLS,)),)


def _protocols(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if facts.value("ssl") != "on":
        return (say("ok", N_("TLS is off; its versions and ciphers do not matter")),)
    found = []
    oldest = facts.value("ssl_min_protocol_version") or ""
    if oldest in _OLD_PROTOCOLS:
        new = setting("ssl_min_protocol_version", "TLSv1.2", facts, N_("Ask for TLS 1.2."))
        text = N_("TLS is allowed from {value} on")
        found.append(say("warning", text, "ssl_min_protocol_version", (new,), value=oldest or "–"))
    weak = weak_ciphers(facts.value("ssl_ciphers") or "")
    if weak:
        strong = setting("ssl_ciphers", _ENOUGH, facts, N_("Allow strong ciphers alone."))
        text = N_("weak ciphers are allowed: {names}")
        found.append(say("warning", text, "ssl_ciphers", (strong,), names=", ".join(weak)))
    return tuple(found) or (say("ok", N_("TLS 1.2 and up, and strong ciphers")),)


def weak_ciphers(said: str) -> list[str]:
    """The words of an OpenSSL list that let weak ciphers in, unless another takes them out."""
    words = [word for word in said.replace(",", ":").replace(" ", ":").split(":") if word]
    refused = {word[1:] for word in words if word[0] in "!-"}
    let_in = [word.lstrip("+") for word in words if word[0] not in "!-@"]
    return [word for word in let_in if word in _WEAK and word not in refused]


def _sessions(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.sessions, Unlooked):
        return (say.unknown(facts.sessions),)
    if not facts.server.sees_sessions:
        why = Unlooked(N_("what other roles' sessions do is hidden"))
        return hidden(say, facts, why, "monitor")
    found = [
        say(
            "warning",
            N_("{sessions} sessions of {subject} come from {address} without TLS"),
            one.role,
            (
                Remedy(
                    sentence=N_("Write hostssl into its line, and sslmode=verify-full there."),
                    command="agentpg security hba show",
                ),
            ),
            address=one.address,
            sessions=one.sessions,
        )
        for one in facts.sessions
    ]
    total = facts.sessions[0].total if facts.sessions else 0
    return rest(say, found, total) or (
        say("ok", N_("no session comes over a network without TLS")),
    )


def _clients(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    found = [
        say(
            "warning",
            N_("the setting {subject} goes to {host} with sslmode={sslmode}, which proves nothing"),
            one.setting,
            (
                Remedy(
                    sentence=N_("Have the server prove who it is: put this into the DSN."),
                    command="sslmode=verify-full sslrootcert=/etc/agentpg/root.crt",
                ),
            ),
            host=one.host,
            sslmode=one.sslmode,
        )
        for one in facts.dsns
        if not one.local and one.sslmode != "verify-full"
    ]
    ok = say("ok", N_("our own connections beyond this machine have the server prove who it is"))
    return tuple(found) or (ok,)


def _listening(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    said = facts.value("listen_addresses") or ""
    if not reachable(facts):
        return (say("ok", N_("the server listens to this machine alone")),)
    if not {"*", "0.0.0.0", "::"} & {name.strip() for name in said.split(",")}:  # noqa: S104
        return (say("ok", N_("the server listens on {value}"), value=said),)
    fewer = setting(
        "listen_addresses", "localhost", facts, N_("Name the addresses that it is needed on.")
    )
    text = N_("the server listens on every address of the machine, port {port}")
    return (say("info", text, "", (fewer,), value=said, port=facts.value("port")),)


def _files(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.files, Unlooked):
        return (*_modes(say, facts), say.unknown(facts.files, _AS_ROOT))
    found = [one for file in facts.files for one in _file(say, file)]
    found += _modes(say, facts)
    ok = say("ok", N_("the server's files and sockets are for its own account"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


_AS_ROOT = Remedy(
    sentence=N_("Run it on the server's machine, as root or as the server's account.")
)


def _file(say: Say, file: File) -> Iterator[Finding]:
    mode, level = f"{file.mode:04o}", _file_level(file)
    if level is None:
        return
    closed = "0700" if file.what in ("data folder", "log folder", "tablespace") else "0600"
    close = Remedy(
        sentence=N_("Close it to others."),
        command=f"chmod {closed} {shlex.quote(file.path)}",
        risk="careful",
    )
    text = N_("{what} {subject} has mode {mode}: others may read it")
    if file.mode & 0o022:
        text = N_("{what} {subject} has mode {mode}: others may change it")
    yield say(level, text, file.path, (close,), what=file.what, mode=mode, owner=file.owner)


def _file_level(file: File) -> Level | None:
    """What PostgreSQL itself takes, and no more: a group may read a data folder or a key of
    root's."""
    if file.mode & 0o022:
        return "critical"
    if not file.mode & 0o007 or not file.secret:
        return None
    return "critical" if file.what == "key" else "warning"


def _modes(say: Say, facts: Facts) -> list[Finding]:
    """What settings say of modes, where the files themselves may be out of sight."""
    found = []
    sockets = facts.value("unix_socket_permissions")
    if sockets is not None and int(sockets, 8) & 0o007:
        trusts = not isinstance(facts.hba, Unlooked) and any(
            line.kind == "local" and line.method == "trust" for line in facts.hba
        )
        close = setting(
            "unix_socket_permissions",
            "0770",
            facts,
            N_("Let those in whose group may; it takes a restart."),
        )
        text = N_("every account of the machine may connect by the socket, mode {mode}")
        found.append(say("critical" if trusts else "info", text, "socket", (close,), mode=sockets))
    folder = facts.value("data_directory_mode")
    if isinstance(facts.files, Unlooked) and folder is not None and int(folder, 8) & 0o027:
        text = N_("{what} {subject} has mode {mode}: others may read it")
        found.append(say("warning", text, "data_directory", what="data folder", mode=folder))
    return found


TRANSPORT_CHECKS = (
    check(
        "A39",
        N_("TLS of the server"),
        N_("passwords' proofs, questions and answers go over the network as they are"),
        "CIS 6.8; PostgreSQL 18.9",
        ("info", "critical"),
        N_("off, and listening beyond this machine"),
        _ssl,
    ),
    check(
        "A40",
        N_("Versions and ciphers of TLS"),
        N_("what is broken can be forced on both sides by who sits between"),
        "CIS 6.8; RFC 8996",
        ("warning",),
        "< TLSv1.2",
        _protocols,
    ),
    check(
        "A41",
        N_("Live sessions without TLS"),
        N_("somebody talks in the clear right now"),
        "CIS 6.8; PostgreSQL pg_stat_ssl",
        ("warning",),
        N_("any that is not of this machine"),
        _sessions,
    ),
    check(
        "A42",
        N_("Whether our own connections check the server"),
        N_("with less than verify-full, anybody may pose as the server"),
        "PostgreSQL 32.19",
        ("warning",),
        N_("less than verify-full beyond this machine"),
        _clients,
    ),
    check(
        "A43",
        N_("Addresses that the server listens on"),
        N_("a firewall's mistake makes it everybody's"),
        "CIS 5.2; operations guide, security",
        ("info",),
        "*",
        _listening,
    ),
    check(
        "A44",
        N_("Modes of the server's files and sockets"),
        N_("who reads them has the data without asking the server; who writes them has the server"),
        "CIS 1.4, 2.1; PostgreSQL 18.2",
        ("info", "warning", "critical"),
        N_("open to others; a group may read, not write"),
        _files,
        "ops",
    ),
)
