"""Who may come from where, by pg_hba.conf: A01 to A13."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agentpg.desk.check import Say, Unlooked
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.desk.security.audit.effects import (
    Gate,
    address_of,
    covers,
    is_everywhere,
    is_remote,
    network_of,
)
from agentpg.desk.security.audit.facts import Facts, HbaLine, Role
from agentpg.desk.security.audit.policy import Policy
from agentpg.desk.security.audit.saying import Said, check, hidden, rest
from agentpg.language import N_

_LOOK = Remedy(
    sentence=N_("See what each line lets in, and change the file with a way back."),
    command="agentpg security hba show",
)
_RELOAD = Remedy(
    sentence=N_("Have the server read the file, once every line of it is right."),
    sql="SELECT pg_reload_conf()",
    risk="careful",
)


def reachable(facts: Facts) -> bool:
    """Whether the server listens on an address that others can reach; in doubt, it does."""
    said = facts.value("listen_addresses")
    if said is None:
        return True
    names = [name.strip() for name in said.split(",") if name.strip()]
    return any(n not in ("localhost", "::1") and not n.startswith("127.") for n in names)


def _lines(
    amiss: Callable[[HbaLine, Facts, Policy], tuple[Level, str] | None], ok: str
) -> Callable[[Say, Facts, Policy], Said]:
    """A decision over each line alone."""

    def decide(say: Say, facts: Facts, policy: Policy) -> Said:
        if isinstance(facts.hba, Unlooked):
            return hidden(say, facts, facts.hba, "hba")
        found = [
            _of_line(say, line, *said)
            for line in facts.hba
            if (said := amiss(line, facts, policy)) is not None
        ]
        return rest(say, found[: policy.told], len(found)) or (say("ok", ok),)

    return decide


def _of_line(say: Say, line: HbaLine, level: Level, sentence: str) -> Finding:
    return say(
        level,
        sentence,
        line.place,
        (_LOOK,),
        kind=line.kind,
        databases=", ".join(line.databases),
        users=", ".join(line.users),
        address=address_of(line),
        method=line.method,
        error=line.error,
    )


def _wrong(line: HbaLine, facts: Facts, policy: Policy) -> tuple[Level, str] | None:
    del facts, policy
    text = N_("{subject} of pg_hba.conf can't be read: {error}; the next reload is refused")
    return ("critical", text) if line.error else None


def _trust(line: HbaLine, facts: Facts, policy: Policy) -> tuple[Level, str] | None:
    del policy
    if line.method != "trust":
        return None
    if is_remote(line) and reachable(facts):
        text = N_("{subject} lets {users} in from {address} without any password")
        return "critical", text
    text = N_("{subject} lets every account of this machine in as {users} without any password")
    return "critical", text


def _clear(line: HbaLine, facts: Facts, policy: Policy) -> tuple[Level, str] | None:
    del facts, policy
    if line.method != "password":
        return None
    text = N_("{subject} has passwords sent as they are, for {users} from {address}")
    return ("warning" if line.kind in ("hostssl", "local") else "critical"), text


def _md5(line: HbaLine, facts: Facts, policy: Policy) -> tuple[Level, str] | None:
    del policy
    if line.method != "md5":
        return None
    text = N_("{subject} allows MD5 for {users}: who reads the stored value can log in with it")
    return ("warning" if is_remote(line) and reachable(facts) else "info"), text


def _ident(line: HbaLine, facts: Facts, policy: Policy) -> tuple[Level, str] | None:
    del facts, policy
    if line.method != "ident" or line.kind == "local":
        return None
    text = N_("{subject} believes what the machine of the caller says about who calls, {address}")
    return ("critical" if is_remote(line) else "warning"), text


def _plain(line: HbaLine, facts: Facts, policy: Policy) -> tuple[Level, str] | None:
    del policy
    if line.kind not in ("host", "hostnossl") or not is_remote(line) or not reachable(facts):
        return None
    text = N_("{subject} takes connections from {address} without TLS, for {users}")
    return "warning", text


def _world(line: HbaLine, facts: Facts, policy: Policy) -> tuple[Level, str] | None:
    del policy
    if not is_remote(line) or not is_everywhere(line):
        return None
    text = N_("{subject} is for every address there is, {address}, for {users}")
    return ("warning" if reachable(facts) else "info"), text


def _wide(line: HbaLine, facts: Facts, policy: Policy) -> tuple[Level, str] | None:
    network = network_of(line)
    if network is None or not is_remote(line) or is_everywhere(line):
        return None
    widest = policy.widest_ipv4 if network.version == 4 else policy.widest_ipv6
    if network.prefixlen >= widest:
        return None
    text = N_("{subject} is for a very large network, {address}, for {users}")
    return ("warning" if reachable(facts) else "info"), text


def _anybody(line: HbaLine, facts: Facts, policy: Policy) -> tuple[Level, str] | None:
    del policy
    if not is_remote(line) or not {"all"} & {*line.databases, *line.users}:
        return None
    text = N_("{subject} names no role or no database: {users} may come to {databases}")
    return ("warning" if reachable(facts) else "info"), text


def _effect(say: Say, facts: Facts, policy: Policy) -> Said:
    """Who with much power gets in from elsewhere, whatever single lines look like."""
    if isinstance(facts.hba, Unlooked):
        return hidden(say, facts, facts.hba, "hba")
    if isinstance(facts.roles, Unlooked) or isinstance(facts.groups, Unlooked):
        return (say.unknown(Unlooked(N_("the roles can't be seen"))),)
    gate = Gate(facts.hba, facts.groups, facts.major)
    mighty = [role for role in facts.roles if role.logs_in and (role.superuser or role.replicates)]
    found = [finding for role in mighty[: policy.told] for finding in _ways(say, role, gate, facts)]
    ok = say("ok", N_("no superuser, and no role for replication, gets in from elsewhere"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _ways(say: Say, role: Role, gate: Gate, facts: Facts) -> Iterator[Finding]:
    # With a superuser's rights in one database, one has all of them.
    named = (word for line in gate.lines for word in line.databases if _is_name(word))
    databases = dict.fromkeys([facts.server.database, *named])
    databases |= {"replication": None} if role.replicates else {}
    told: set[str] = set()
    for database in databases:
        for line in gate.ways(role.name, database):
            if line.place in told:
                continue
            told.add(line.place)
            yield say(
                _way_level(line, role, facts),
                N_("{subject} gets in from {address} by {place}, method {method}, as {kind}"),
                role.name,
                (_LOOK,),
                address=address_of(line),
                place=line.place,
                method=line.method,
                kind="superuser" if role.superuser else "replication",
                database=database,
            )


def _is_name(word: str) -> bool:
    special = ("all", "sameuser", "samerole", "samegroup", "replication")
    return word not in special and not word.startswith("/")


def _way_level(line: HbaLine, role: Role, facts: Facts) -> Level:
    if not reachable(facts):
        return "info"
    if line.method in ("trust", "password", "ident") or (role.superuser and is_everywhere(line)):
        return "critical"
    # Replication has to come from elsewhere; it is its purpose.
    return "warning" if role.superuser else "info"


def _shadowed(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.hba, Unlooked):
        return hidden(say, facts, facts.hba, "hba")
    # The comparison is of each with each.
    lines = facts.hba[:500]
    found = [
        say(
            "warning" if later.method == "reject" else "info",
            N_("{subject} never decides: {earlier} fits all that it is for, with {method}"),
            later.place,
            (_LOOK,),
            earlier=first.place,
            method=first.method,
            own_method=later.method,
        )
        for number, later in enumerate(lines)
        if (first := next((one for one in lines[:number] if covers(one, later)), None))
    ]
    ok = say("ok", N_("every line of pg_hba.conf can be reached"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _replication(say: Say, facts: Facts, policy: Policy) -> Said:
    if isinstance(facts.hba, Unlooked):
        return hidden(say, facts, facts.hba, "hba")
    found = [
        _of_line(
            say,
            line,
            "warning" if reachable(facts) else "info",
            N_("{subject} lets every role replicate that has the attribute, from {address}"),
        )
        for line in facts.hba
        if "replication" in line.databases and "all" in line.users and is_remote(line)
    ]
    ok = say("ok", N_("lines for replication from elsewhere name their roles"))
    return rest(say, found[: policy.told], len(found)) or (ok,)


def _edited(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    changed = facts.hba_changed_at
    if isinstance(changed, Unlooked):
        return hidden(say, facts, changed, "file")
    if changed <= facts.server.loaded_at:
        return (say("ok", N_("the server has read pg_hba.conf as it is")),)
    text = N_("pg_hba.conf was written after the server has read it: what is in force is not seen")
    return (say("warning", text, remedies=(_LOOK, _RELOAD), changed_at=changed),)


ADDRESS_CHECKS = (
    check(
        "A01",
        N_("Lines of pg_hba.conf that can't be read"),
        N_("the server keeps the old rules, and does not start again with this file"),
        "PostgreSQL, pg_hba_file_rules",
        ("critical",),
        "any",
        _lines(_wrong, N_("every line of pg_hba.conf can be read")),
    ),
    check(
        "A02",
        N_("Access without a password"),
        N_("whoever reaches the port or the socket is whoever they say they are"),
        "CIS 5.3, 5.4; PostgreSQL 20.4",
        ("critical",),
        "trust",
        _lines(_trust, N_("no line lets anybody in without a password")),
    ),
    check(
        "A03",
        N_("Passwords that are sent as they are"),
        N_("whoever listens on the way has the password"),
        "CIS 5.4; PostgreSQL 20.5",
        ("warning", "critical"),
        "password",
        _lines(_clear, N_("no line asks for passwords as they are")),
    ),
    check(
        "A04",
        N_("MD5 as a method"),
        N_(
            "MD5 is broken and on its way out of PostgreSQL; the stored value is as good as the "
            "password"
        ),
        "CIS 5.4; PostgreSQL 20.5",
        ("info", "warning"),
        "md5",
        _lines(_md5, N_("no line allows MD5")),
    ),
    check(
        "A05",
        N_("The ident protocol over a network"),
        N_("the machine of an attacker says whatever the attacker wants"),
        "CIS 5.4; PostgreSQL 20.8",
        ("warning", "critical"),
        "ident",
        _lines(_ident, N_("no line believes ident over a network")),
    ),
    check(
        "A06",
        N_("Lines that allow connections without TLS"),
        N_("what is asked and answered can be read and changed on the way"),
        "CIS 5.4, 6.8",
        ("warning",),
        "host, hostnossl",
        _lines(_plain, N_("from elsewhere, TLS is asked for")),
    ),
    check(
        "A07",
        N_("Lines for every address"),
        N_("a leaked or guessed password is enough, from anywhere"),
        "CIS 5.4",
        ("info", "warning"),
        "0.0.0.0/0, ::/0, all",
        _lines(_world, N_("no line is for every address")),
    ),
    check(
        "A08",
        N_("Lines for very large networks"),
        N_("many who have no business with it can try passwords"),
        "CIS 5.4; PGDSAT 5.6",
        ("info", "warning"),
        N_("wider than /16 (IPv4), /64 (IPv6)"),
        _lines(_wide, N_("no line is for a very large network")),
    ),
    check(
        "A09",
        N_("Lines for all databases or all roles"),
        N_("a new role or database is open from there without anybody having decided so"),
        "CIS 5.4; PGDSAT 5.7",
        ("info", "warning"),
        "all",
        _lines(_anybody, N_("lines for elsewhere name roles and databases")),
    ),
    check(
        "A10",
        N_("Superusers and replication from elsewhere, by effect"),
        N_("a superuser can read and write all data, and run programs on the server's machine"),
        "CIS 5.4, 7.1; PGDSAT 5.8",
        ("info", "warning", "critical"),
        N_("the first line that fits decides"),
        _effect,
    ),
    check(
        "A11",
        N_("Lines that never decide"),
        N_("what was meant to be refused is let in, or what was meant to be asked is not"),
        "PostgreSQL 20.1",
        ("info", "warning"),
        N_("an earlier line fits all of it"),
        _shadowed,
    ),
    check(
        "A12",
        N_("Who may replicate"),
        N_("who replicates has all data of all databases"),
        "CIS 7.1",
        ("info", "warning"),
        "all",
        _replication,
    ),
    check(
        "A13",
        N_("pg_hba.conf as it is in force"),
        N_("what was closed in the file may still be open, until a reload"),
        "PostgreSQL 20.1",
        ("warning",),
        N_("written after pg_conf_load_time()"),
        _edited,
    ),
)
