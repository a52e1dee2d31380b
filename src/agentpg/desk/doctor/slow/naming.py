"""Whose a session is, in words: its agent, task and worker, or what it calls itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentpg.desk.check import of_any
from agentpg.desk.doctor.slow.texts import is_maintenance, without_values
from agentpg.desk.doctor.slow.tree import Node
from agentpg.desk.finding import Remedy
from agentpg.desk.monitor.sessions import Session, Work
from agentpg.language import N_

# Programs whose sessions are a backup.
_BACKUPS = ("pg_dump", "pg_basebackup", "pg_receivewal", "pgbackrest", "agentpg backup", "barman")


def whose(session: Session | None, prepared: str = "") -> str:
    """What a session is called: Billing/invoice 0198… #1, or else its program and role."""
    if session is None:
        return prepared
    tasks = [_task(one) for one in session.work if one.task_id]
    if tasks:
        return ", ".join(tasks)
    return session.application or session.role or session.kind


def of_kind(session: Session | None) -> str:
    """The same for all sessions of one program, agent and type: what an alert goes by."""
    if session is None:
        return ""
    kinds = {f"{one.agent_name}/{one.task_type}" for one in session.work if one.task_id}
    return ", ".join(sorted(kinds)) or of_any(session.application) or session.role or session.kind


def _task(work: Work) -> str:
    return f"{work.agent_name}/{work.task_type} {work.task_id} #{work.attempt}"


def of_session(session: Session | None) -> dict[str, Any]:
    """A session as evidence: who it is, whose work it does, what it does, since when."""
    if session is None:
        return {}
    return {
        "pid": session.pid,
        "role": session.role,
        "application": session.application,
        "client": session.client,
        "agents": session.agents,
        "work": [_of_work(one) for one in session.work],
        "state": session.state,
        "transaction_seconds": session.transaction_seconds,
        "query_seconds": session.query_seconds,
        "state_seconds": session.state_seconds,
        "query": without_values(session.query),
    }


def _of_work(work: Work) -> Mapping[str, Any]:
    return {
        "agent_name": work.agent_name,
        "task_type": work.task_type,
        "task_id": None if work.task_id is None else str(work.task_id),
        "attempt": work.attempt,
        "worker": None if work.worker is None else str(work.worker),
        "host": work.host,
    }


def is_backup(session: Session) -> bool:
    """Whether it backs up or replicates: that takes its time, and nobody may end it lightly."""
    called = session.application.lower()
    return session.kind == "walsender" or called.startswith(_BACKUPS)


def saves_from_wraparound(session: Session) -> bool:
    """Whether it is a vacuum that keeps the server from stopping for want of transaction ids."""
    return session.kind == "autovacuum worker" and "to prevent wraparound" in (session.query or "")


def takes_its_time(session: Session) -> bool:
    """Whether it maintains or backs up, which may last."""
    return session.kind != "client backend" or is_backup(session) or is_maintenance(session.query)


def waits_for_its_reader(session: Session) -> bool:
    """Whether it waits for its client to take what it was given; a backup's may be slow."""
    is_client = session.kind == "client backend" and session.state == "active"
    return is_client and session.wait_event == "ClientWrite" and not is_backup(session)


def remedies_for(session: Session) -> Iterator[Remedy]:
    """How to have a session end what it does, the mild way first; nothing for a backup, or for a
    vacuum that has to be."""
    if is_backup(session) or saves_from_wraparound(session):
        yield Remedy(sentence=N_("Wait for it: it is a backup, or a vacuum that has to be done."))
        return
    for one in session.work:
        # Its own connection: a worker's is of all its tasks.
        if one.task_id is not None and one.task_id == one.named:
            yield Remedy(
                sentence=N_("Cancel the task that it works for; its handler is told to stop."),
                command=f"agentpg task cancel {one.task_id}",
                risk="careful",
            )
    # Whoever does nothing has nothing that could be cancelled.
    if session.state == "active":
        yield Remedy(
            sentence=N_("Cancel its statement: its transaction fails, and its session stays."),
            command=f"agentpg doctor slow --cancel {session.pid}",
            sql=f"SELECT pg_cancel_backend({session.pid})",
            risk="careful",
        )
    yield Remedy(
        sentence=N_("End its session: what it has not committed is rolled back."),
        command=f"agentpg doctor slow --terminate {session.pid}",
        sql=f"SELECT pg_terminate_backend({session.pid})",
        risk="careful",
    )


def doing(node: Node) -> str:
    """What a root does while others wait, as a sentence of which the state is a part."""
    session = node.session
    if session is None:
        return N_("it is a prepared transaction") if node.prepared else N_("it can't be seen")
    if session.is_idle_in_transaction:
        return N_("it does nothing, and leaves its transaction open")
    if session.blocked_by:
        return N_("it waits itself")
    return N_("it works")
