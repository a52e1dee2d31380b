"""Making roles and rights what they should be: in one transaction, with the way back in a file."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Statements,
    connect,
    driver_errors,
    literal,
    scram_verifier,
)
from agentpg.desk.files import create_files
from agentpg.desk.security.passwords.storing import hide_statements, note_change
from agentpg.desk.security.roles.comparing import compare, only_grants, unmet
from agentpg.desk.security.roles.facts import Present
from agentpg.desk.security.roles.looking import look_at_roles, read_present
from agentpg.desk.security.roles.names import Part
from agentpg.desk.security.roles.steps import VERIFIER, Need, Step
from agentpg.desk.security.roles.wishing import wish

FOLDER = "undo"

# Where the password of a new login comes from, and where it is kept before anybody uses it.
Password = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done, all of it `in_order`: of that, `steps` may be run by the role that
    looked, and `missing` may not, each with what it takes."""

    present: Present
    in_order: tuple[Step, ...]
    steps: tuple[Step, ...]
    missing: Mapping[Need, Sequence[Step]]

    @property
    def is_done(self) -> bool:
        """Whether all is as it should be."""
        return not self.steps and not self.missing


def plan_roles(database: Database, logins: tuple[Part, ...] = ()) -> Plan:
    """What is to be done. Raises SchemaMissing, DatabaseUnavailable and its like."""
    return plan_of(look_at_roles(database), logins)


def plan_of(present: Present, logins: tuple[Part, ...] = ()) -> Plan:
    """The same of what was seen: pure. What needs a role that nobody may make waits for it."""
    steps = compare(wish(present, logins), present)
    missing = {need: list(some) for need, some in unmet(steps, present).items()}
    not_made = {step.role for some in missing.values() for step in some if step.kind == "role"}
    not_met = {id(step) for some in missing.values() for step in some}
    left = []
    for step in steps:
        if id(step) in not_met:
            continue
        if step.role in not_made or step.object in not_made:
            missing.setdefault(Need("roles"), []).append(step)
        else:
            left.append(step)
    return Plan(present=present, in_order=steps, steps=tuple(left), missing=missing)


def apply_roles(
    database: Database,
    plan: Plan,
    password: Password | None = None,
) -> Plan:
    """Run the steps of a plan in one transaction; what is left to do afterwards.

    `password` gives the password of a new login, of which the server gets the verifier alone; by
    default one that nobody knows. Raises PermissionDenied and its like: then nothing was changed.
    """
    with driver_errors(database.target()), connect(database, "agentpg security") as connection:
        return apply_over(connection, plan, password)


def apply_over(connection: Connection[Any], plan: Plan, password: Password | None = None) -> Plan:
    """The same over a connection in autocommit mode, whose errors are the driver's."""
    verifiers = _verifiers(connection, plan.steps, password or _unknown)
    with connection.transaction():
        run_steps(connection, plan, verifiers)
    logins = tuple({part for step in plan.steps if (part := _login_part(step, plan.present))})
    with connection.transaction():
        return plan_of(read_present(connection, plan.present.schema), logins)


def run_steps(connection: Connection[Any], plan: Plan, verifiers: Mapping[str, str]) -> None:
    """Run the steps within the transaction that is open; `verifiers` are those of new logins,
    about which it is written when they got their passwords."""
    hide_statements(connection)
    connection.execute(Statements("roles", plan.present.schema)["lock"])
    for step in plan.steps:
        connection.execute(_with_verifier(step, verifiers).encode())
        if VERIFIER in step.sql:
            note_change(connection, step.role, verifiers[step.role])


def regrant(database: Database) -> tuple[Step, ...]:
    """Give the groups that are there what they should have and do not, as after a migration that
    made tables; what was granted. Nothing where there are no such groups, or somebody else owns
    the schema. Raises DatabaseUnavailable and its like."""
    with (
        driver_errors(database.target()),
        connect(database, "agentpg schema migrate") as connection,
        connection.transaction(),
    ):
        connection.execute(Statements("roles", database.schema)["lock"])
        present = read_present(connection, database.schema)
        if not present.has_roles:
            return ()
        granted = only_grants(plan_of(present).steps)
        for step in granted:
            connection.execute(step.sql.encode())
        return granted


def write_undo(home: Path, plan: Plan, now: datetime) -> Path:
    """Write what takes the steps back, for psql. Raises FileNotWritten."""
    text = script((step.undo for step in reversed(plan.steps)), f"-- {now:%Y-%m-%d %H:%M:%S %Z}")
    [path] = create_files(home / FOLDER, f"roles-{now:%Y%m%dT%H%M%S}", {".sql": text})
    return path


def script(statements: Iterable[str], comment: str = "") -> str:
    """Statements as a script for psql: all of them, or none."""
    body = "".join(f"{statement};\n" for statement in statements)
    head = f"{comment}\n" if comment else ""
    return f"{head}\\set ON_ERROR_STOP on\nBEGIN;\n{body}COMMIT;\n" if body else ""


def new_logins(steps: Iterable[Step]) -> list[str]:
    """The logins that the steps make."""
    return [step.role for step in steps if VERIFIER in step.sql]


def _verifiers(
    connection: Connection[Any], steps: Sequence[Step], password: Password
) -> dict[str, str]:
    return {name: scram_verifier(connection, name, password(name)) for name in new_logins(steps)}


def _unknown(role: str) -> str:
    del role
    return secrets.token_urlsafe(24)


def _with_verifier(step: Step, verifiers: Mapping[str, str]) -> str:
    if VERIFIER not in step.sql:
        return step.sql
    return step.sql.replace(VERIFIER, literal(verifiers[step.role]).strip())


def _login_part(step: Step, present: Present) -> Part | None:
    return present.names.part_of(step.role) if VERIFIER in step.sql else None
