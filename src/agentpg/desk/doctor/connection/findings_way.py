"""What keeps one from the server itself, C01 to C13: the string, the name, what answers."""

from __future__ import annotations

import shlex
import socket

from agentpg.desk.check import Say
from agentpg.desk.doctor.connection.case import Case, check, log_of
from agentpg.desk.doctor.connection.facts import NoService, Went, Wrong
from agentpg.desk.doctor.connection.findings_network import NETWORK_CHECKS
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

STRING = check(
    "C01",
    N_("The connection string cannot be used"),
    cause=N_("a name or a value in it is misspelt, or a sign of the password is not encoded"),
    meaning="libpq cannot read it, or refuses one of its values. Nothing was sent to anybody.",
    idea="write it anew, as a URI or as pairs of name and value; in a URI a password has `@` as "
    "`%40`, `/` as `%2F`, `#` as `%23` and `%` as `%25`, or stands in the password file.",
)
SERVICE = check(
    "C02",
    N_("The service is in no file"),
    cause=N_("its name is misspelt, or its file is another account's or another machine's"),
    meaning="The connection string or PGSERVICE names a service, and no service file has it.",
    idea="put the service into `~/.pg_service.conf`, or name the file in PGSERVICEFILE.",
)
NAME = check(
    "C03",
    N_("The host's name cannot be resolved"),
    cause=N_("the name is misspelt, or this machine asks the wrong resolver, or none answers"),
    contact="ops",
    meaning="libpq says: could not translate host name to address.",
    idea="mend the name, or the resolver; try the server's address instead of its name.",
)
SILENT = check(
    "C11",
    N_("It takes the connection, and does not answer"),
    cause=N_("the server hangs or is out of processes, or a proxy has lost what is behind it"),
    contact="ops",
    meaning="The kernel or a proxy took the connection, and nobody spoke within the time. A "
    "connection attempt of others ends with: timeout expired.",
    idea="look at the server's processes and load, and try it past the proxy.",
)
FOREIGN = check(
    "C12",
    N_("Something else than PostgreSQL answers"),
    cause=N_("the port is another program's"),
    meaning="libpq says: received invalid response to SSL negotiation. The first bytes that came "
    "are shown: H of HTTP, SSH-2.0, or what else it is.",
    idea="name the port of PostgreSQL.",
)
CLOSED = check(
    "C13",
    N_("The connection is closed without a word"),
    cause=N_("a proxy or a container's port has nothing behind it, or a filter closes it"),
    contact="ops",
    meaning="libpq says: server closed the connection unexpectedly. PostgreSQL would have "
    "answered.",
    idea="see what the proxy or the container passes this port to.",
)

WAY_CHECKS = (STRING, SERVICE, NAME, *NETWORK_CHECKS, SILENT, FOREIGN, CLOSED)

_FORM = Remedy(
    sentence=N_("Write it as a URI, or as pairs of name and value."),
    command="agentpg doctor connection postgresql://USER@HOST:5432/DATABASE",
)
_ENCODE = Remedy(
    sentence=N_("Write @ as %40, / as %2F, # as %23 and % as %25, or keep the password in a file."),
    command="install -m 600 /dev/null ~/.pgpass && editor ~/.pgpass",
)


def string(wrong: Wrong | NoService) -> Finding:
    """Why the connection string leads nowhere."""
    if isinstance(wrong, NoService):
        make = Remedy(
            sentence=N_("Write the service into the file, or mend its name."),
            command=f"cat {shlex.quote(wrong.file)}",
        )
        text = N_("the service {subject} is in no file; {file} is where it is looked for")
        return Say(SERVICE)("critical", text, wrong.name, (make,), file=wrong.file)
    say = Say(STRING)
    if wrong.kind == "sign":
        text = N_("a sign of the password was read as the end of it")
        return say("critical", text, remedies=(_ENCODE,))
    for name, near in wrong.keys.items():
        text = N_("the connection string has {key}, which is no parameter")
        if near:
            text = N_("the connection string has {key}, which is no parameter; {near} is one")
        return say("critical", text, remedies=(_FORM,), key=name, near=near)
    if wrong.complaint:
        text = N_("libpq refuses the connection string: {said}")
        return say("critical", text, remedies=(_FORM,), said=wrong.complaint)
    return say("critical", N_("this is no connection string"), remedies=(_FORM,))


def name(went: Went) -> Finding:
    """A name that has no address."""
    say, host = Say(NAME), went.place.host
    resolved = went.resolved
    slow = resolved is not None and (resolved.timed_out or resolved.error == socket.EAI_AGAIN)
    look = Remedy(
        sentence=N_("See whether anybody resolves it, and who is asked."),
        command=f"getent hosts {shlex.quote(host)}; cat /etc/resolv.conf",
    )
    beside = f"host={host} hostaddr=ADDRESS port={went.place.port}"
    address = Remedy(
        sentence=N_("Until then, name the address beside the name."),
        command=f"agentpg doctor connection {shlex.quote(beside)}",
    )
    text = N_("no resolver knows the name {subject}")
    if slow:
        text = N_("no resolver answers for the name {subject}")
    return say("critical", text, host, (look, address), eai=resolved.error if resolved else 0)


def unanswered(case: Case) -> Finding:
    """An address where nobody spoke PostgreSQL's protocol."""
    visit = case.visit
    endings = (visit.greeting, visit.reply.ending if visit.reply else None)
    if "foreign" in endings:
        text = N_("{subject} is no PostgreSQL: it answers {first}")
        who = Remedy(
            sentence=N_("On that machine, see whose port it is."),
            command=f"ss -ltnp 'sport = :{visit.place.port}'",
        )
        port = Remedy(sentence=N_("Name PostgreSQL's own port."), command=case.doctor(port="PORT"))
        first = repr(visit.first or "?")
        return Say(FOREIGN)("critical", text, case.name, (who, port), first=first)
    if "silent" in endings:
        return _silent(case)
    text = N_("{subject} closes the connection before it answers")
    behind = Remedy(
        sentence=N_("On that machine, see who listens there and what it passes to."),
        command=f"ss -ltnp 'sport = :{visit.place.port}'",
    )
    return Say(CLOSED)("critical", text, case.name, (behind, log_of(case)))


def _silent(case: Case) -> Finding:
    text = N_("{subject} takes the connection, and says nothing within {limit} s")
    processes = Remedy(
        sentence=N_("On that machine, see whether its first process stopped (T) or waits (D)."),
        command="ps -o pid,stat,wchan:20,args -C postgres",
    )
    stopped = Remedy(
        sentence=N_("If it was stopped by a signal, let it go on."),
        command=f"kill -CONT {case.server.pid if case.server and case.server.pid else 'PID'}",
        risk="careful",
    )
    return Say(SILENT)("critical", text, case.name, (processes, stopped, log_of(case)), limit=2)
