"""What keeps one from an address, C04 to C10: the server, the network, the socket."""

from __future__ import annotations

import errno
import shlex
from typing import Any

from agentpg.desk.check import Say
from agentpg.desk.doctor.connection.case import Case, check, log_of
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

DOWN = check(
    "C04",
    N_("Nothing listens there"),
    cause=N_("the server is stopped, or listens elsewhere, or a firewall answers in its place"),
    contact="ops",
    meaning="libpq says: Connection refused, or for a socket: No such file or directory. The "
    "operations guide knows it as “could not connect to server”. Something answered at once that "
    "nobody listens, so the machine is there.",
    idea="start the server, and read its log for why it had stopped.",
)
OTHER_PORT = check(
    "C05",
    N_("The server listens at another port"),
    cause=N_("the port in the connection string is another server's, or an old one"),
    meaning="Nothing listens at the wanted port, and a PostgreSQL answers at another of the host.",
    idea="name that port; look first that it is the server that you mean.",
)
LISTENS = check(
    "C06",
    N_("The server does not listen at this address"),
    cause=N_("`listen_addresses` is at its default, which is localhost"),
    meaning="The server runs at this port, but only for other addresses, mostly 127.0.0.1.",
    idea="set `listen_addresses` and restart, or connect by an address at which it listens.",
)
DROPPED = check(
    "C07",
    N_("Nothing comes back from the address"),
    cause=N_("a firewall drops packets, the machine is down, or the address is another's"),
    contact="ops",
    meaning="libpq says: timeout expired, or Connection timed out. Where the host answers at other "
    "ports, a firewall's rule for this port is all that can be.",
    idea="let the port through every firewall on the way, also that of the cloud.",
)
REJECTED = check(
    "C08",
    N_("The network rejects the connection"),
    cause=N_("a firewall rejects it, or the machine is switched off in a network that says so"),
    contact="ops",
    meaning="libpq says: No route to host, or Permission denied. Somebody on the way, or this "
    "machine itself, answered that the connection must not be.",
    idea="find the rule or the route that rejects, and let the port through.",
)
NO_ROUTE = check(
    "C09",
    N_("There is no way to the network"),
    cause=N_("an IPv6 address without IPv6, a VPN that is down, or a route that is missing"),
    contact="ops",
    meaning="libpq says: Network is unreachable. Nothing left this machine.",
    idea="start the VPN or add the route; for a name that has both, use its IPv4 address.",
)
SOCKET = check(
    "C10",
    N_("The socket is not there, or closed to this account"),
    cause=N_("the client looks in another folder than the server's `unix_socket_directories`"),
    meaning="libpq says: No such file or directory, or Permission denied. Without a host libpq "
    "looks in a folder that it was built with, which is not the same for all builds.",
    idea="name the server's folder as the host, such as `host=/var/run/postgresql`.",
)
NETWORK_CHECKS = (DOWN, OTHER_PORT, LISTENS, DROPPED, REJECTED, NO_ROUTE, SOCKET)

# What the kernel says where it knows no way: also of an address family that it does not have,
# and of a route that is a black hole.
_NO_WAY = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)
_REJECTED = (errno.EHOSTUNREACH, errno.EACCES, errno.EPERM, errno.ENETDOWN, errno.EHOSTDOWN)


# Who listens at these does so at every address.
_EVERY = frozenset(("0.0.0.0", "::"))  # noqa: S104 - compared, not bound


def unreached(case: Case) -> Finding:
    """An address that was not connected."""
    error = case.visit.error
    if case.visit.place.folder:
        return _socket(case)
    if error == errno.ECONNREFUSED:
        return _refused(case)
    if case.visit.timed_out or error == errno.ETIMEDOUT:
        return _dropped(case)
    if error in _REJECTED:
        text = N_("the way to {subject} ({address}) is rejected: {system}")
        look = Remedy(
            sentence=N_("See by which route, and what rejects on the way."),
            command=f"ip route get {case.visit.address}; traceroute {case.visit.address}",
        )
        return Say(REJECTED)("critical", text, case.name, (look, _open(case)), **_system(case))
    return _no_route(case)


def _refused(case: Case) -> Finding:
    around, visit = case.around, case.visit
    if around.listening and not _EVERY.union([visit.address]).intersection(around.listening):
        return _elsewhere(case)
    if case.stopped:
        return _down(case)
    here = [one for one in around.servers if one.running and one.port and one.port in around.ports]
    ports = [one.port for one in here if one.port] or list(around.ports)
    if ports:
        text = N_("nothing listens at {subject}, and a PostgreSQL answers at port {port}")
        use = Remedy(sentence=N_("Look at that one."), command=case.doctor(port=ports[0]))
        return Say(OTHER_PORT)("critical", text, case.name, (use,), port=ports[0], ports=ports)
    return _down(case)


def _elsewhere(case: Case) -> Finding:
    listening = case.around.listening
    text = N_("at port {port} only {listening} is listened at, not {address}")
    widen = Remedy(
        sentence=N_("Let it listen at all addresses, and restart it."),
        sql=case.sql("listen_everywhere"),
        risk="careful",
    )
    near = Remedy(
        sentence=N_("Or connect by an address at which it listens."),
        command=case.doctor(host=listening[0]),
    )
    return Say(LISTENS)(
        "critical",
        text,
        case.name,
        (widen, near),
        port=case.visit.place.port,
        listening=", ".join(listening),
        address=case.visit.address,
    )


def _down(case: Case) -> Finding:
    visit, around = case.visit, case.around
    stopped = case.stopped
    if not visit.local:
        text = N_("nothing listens at {subject} ({address}), or a firewall says so")
        there = Remedy(
            sentence=N_("On that machine, see whether PostgreSQL runs, and where it listens."),
            command="systemctl status postgresql; ss -ltnp | grep postgres",
        )
        return Say(DOWN)("critical", text, case.name, (there, _open(case)), address=visit.address)
    text = N_("nothing listens at {subject}, and no PostgreSQL is seen to run on this machine")
    if any(one.running for one in around.servers):
        text = N_("nothing listens at {subject}; other servers run on this machine")
    cause = ""
    if stopped:
        text = N_("nothing listens at {subject}: the server {server} is stopped")
        cause = N_("somebody stopped it, or it could not go on; its log says which")
    start = Remedy(sentence=N_("Start it."), command=case.start)
    return Say(DOWN)(
        "critical",
        text,
        case.name,
        (start, log_of(case)),
        cause=cause,
        server=stopped[0].label if stopped else "",
        stale=bool(stopped and stopped[0].stale),
        log=list(around.log),
    )


def _dropped(case: Case) -> Finding:
    say, visit = Say(DROPPED), case.visit
    address = Remedy(
        sentence=N_("See whether the address is right, and whether the machine is on."),
        command=f"getent hosts {case.host}; ping -c 3 {visit.address}",
    )
    evidence: dict[str, Any] = {
        "address": visit.address,
        "seconds": round(visit.connect_seconds, 1),
    }
    if case.around.host_answers:
        text = N_("{subject} ({address}) drops what is sent, and answers at other ports")
        cause = N_("a firewall has no rule that lets this port through")
        return say("critical", text, case.name, (_open(case), address), cause=cause, **evidence)
    text = N_("nothing comes back from {subject} ({address}) within {seconds} s")
    return say("critical", text, case.name, (address, _open(case)), **evidence)


def _no_route(case: Case) -> Finding:
    text = N_("this machine knows no way to {subject} ({address}): {system}")
    route = Remedy(
        sentence=N_("See by which route it would go."),
        command=f"ip route get {case.visit.address}",
    )
    four = Remedy(
        sentence=N_("If IPv6 is what is missing, use the IPv4 address."),
        command=f"getent ahostsv4 {case.host}",
    )
    remedies = (four, route) if ":" in case.visit.address else (route,)
    return Say(NO_ROUTE)("critical", text, case.name, remedies, **_system(case))


def _socket(case: Case) -> Finding:
    visit, around, say = case.visit, case.around, Say(SOCKET)
    folder = visit.place.folder
    if visit.error in (errno.EACCES, errno.EPERM):
        text = N_("the account {account} may not use the socket {subject}")
        look = Remedy(
            sentence=N_("See who may."), command=f"ls -ld {shlex.quote(folder)} {visit.address}"
        )
        tcp = Remedy(sentence=N_("Or go by TCP."), command=case.doctor(host="127.0.0.1"))
        return say("critical", text, visit.address, (look, tcp), account=around.account)
    if case.stopped and case.visit.error == errno.ENOENT:
        return _down(case)
    folders = [path.rpartition("/")[0] for path in around.sockets if path.endswith(_end(case))]
    if folders:
        text = N_("there is no socket in {folder}: the server's is in {found}")
        use = Remedy(
            sentence=N_("Name its folder as the host."), command=case.doctor(host=folders[0])
        )
        return say("critical", text, folder, (use,), folder=folder, found=folders[0])
    others = [path for path in around.sockets if path.startswith(f"{folder}/")]
    if others:
        port = int(others[0].rpartition(".")[2])
        text = N_("nothing listens at {subject}, and a PostgreSQL answers at port {port}")
        use = Remedy(sentence=N_("Look at that one."), command=case.doctor(port=port))
        return Say(OTHER_PORT)("critical", text, case.name, (use,), port=port)
    if around.listening:
        text = N_("there is no socket {subject}, and something listens at port {port} by TCP")
        tcp = Remedy(
            sentence=N_("Go by TCP; a server in a container has no socket here."),
            command=case.doctor(host="127.0.0.1"),
        )
        return say("critical", text, visit.address, (tcp,), port=visit.place.port)
    return _down(case)


def _end(case: Case) -> str:
    return f"/.s.PGSQL.{case.visit.place.port}"


def _system(case: Case) -> dict[str, Any]:
    number = case.visit.error
    return {
        "address": case.visit.address,
        "system": errno.errorcode.get(number, str(number)),
        "errno": number,
    }


def _open(case: Case) -> Remedy:
    return Remedy(
        sentence=N_("On the server's machine, see the firewall's rules, and let the port through."),
        command=f"nft list ruleset; ufw allow {case.visit.place.port}/tcp",
        risk="careful",
    )
