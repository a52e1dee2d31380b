"""Which line decides about one connection."""

from __future__ import annotations

from dataclasses import dataclass

from agentpg.desk.check import Unlooked
from agentpg.desk.hba.matching import Asked, Match, first_of
from agentpg.desk.security.addresses.facts import Facts, Server
from agentpg.errors import HbaNotHere


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who asked, from where, and what decides; `certain` where only this line can."""

    role: str
    database: str
    address: str
    tls: bool
    replication: bool
    file: str
    line: int
    text: str
    method: str
    lets_in: bool
    certain: bool
    may_decide: tuple[Match, ...]


def explain(
    facts: Facts,
    *,
    role: str | None,
    database: str | None,
    address: str,
    tls: bool,
    replication: bool,
) -> Decision:
    """The line that decides. Raises HbaNotHere where the lines are not known."""
    if isinstance(facts.lines, Unlooked):
        raise HbaNotHere(facts.lines.reason)
    server = facts.server if isinstance(facts.server, Server) else None
    asked = Asked(
        user=role or (server.role if server else ""),
        database=database or (server.database if server else ""),
        address=address,
        # Nobody comes by TLS where none is offered, nor by the socket.
        tls=tls and bool(address) and bool(server and server.has_tls),
        replication=replication,
        major=server.major if server else 18,
        local=not isinstance(facts.folder, Unlooked),
        known=facts.known,
    )
    match = first_of(facts.lines, asked, str(facts.hba))
    return Decision(
        role=asked.user,
        database="replication" if replication else asked.database,
        address=address,
        tls=asked.tls,
        replication=replication,
        file=match.file,
        line=match.number,
        text=match.text,
        method=match.method,
        lets_in=bool(match.number) and match.method != "reject",
        certain=match.certain,
        may_decide=match.earlier,
    )
