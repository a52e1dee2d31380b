"""The doctor's room for accounts and the audit log."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agentpg.audit.acting import Action, Actor
from agentpg.audit.recording import record
from agentpg.audit.verifying import note_verdict, verify
from agentpg.db import Database, connect
from agentpg.desk.doctor.accounts import CHECKS, examine
from agentpg.desk.finding import Finding
from agentpg.settings import load_settings
from agentpg.users.kept import kept_users
from agentpg.users.login import LoginPolicy, authenticate
from agentpg.users.rights import Role
from tests.schema.old import run

ROOT = Actor(account="root")


def found(database: Database) -> dict[str, Finding]:
    return {one.code: one for one in examine(database, load_settings())}


def test_a_new_installation_is_well(database: Database) -> None:
    said = found(database)
    assert set(said) == {check.code for check in CHECKS}
    assert {one.level for one in said.values()} == {"ok"}


def test_who_has_a_table_for_himself_is_not_waited_for(database: Database) -> None:
    with connect(database, autocommit=False) as connection:
        connection.execute(b"LOCK TABLE agentic_ai.users, agentic_ai.audit_log")
        said = found(database)
    assert {one.level for one in said.values()} == {"unknown"}


def test_each_fault_is_found(database: Database) -> None:
    with kept_users(database, ROOT) as users:
        for name in ("idle", "old", "kim"):
            users.add(name, Role.VIEWER, None)
        users.add("made", Role.VIEWER, "some password that was made", is_temporary=True)
        users.add_token("kim", "ever", ["tasks:read"], None)
        users.add_token("kim", "soon", ["tasks:read"], timedelta(days=2))
    run(
        database,
        "SET search_path = agentic_ai;"
        "UPDATE users SET created_at = now() - interval '50 days' WHERE username = 'idle';"
        "UPDATE account_details SET password_set_at = now() - interval '400 days'"
        " WHERE user_id = (SELECT id FROM users WHERE username = 'old');"
        "UPDATE account_details SET password_set_at = now() - interval '8 days'"
        " WHERE user_id = (SELECT id FROM users WHERE username = 'made');"
        "UPDATE account_tokens SET last_used_at = now()",
    )
    policy = LoginPolicy(attempts=1)
    for number in range(6):
        authenticate(database, f"guess{number}", "wrong", policy=policy)
    said = found(database)
    levels = {code: said[code].level for code in ("U01", "U02", "U03", "U04", "U05", "U06")}
    assert levels == {
        "U01": "warning", "U02": "warning", "U03": "warning", "U04": "warning",
        "U05": "info", "U06": "warning",
    }  # fmt: skip
    assert said["U02"].evidence["names"] == "idle"
    assert said["U03"].evidence["names"] == "old"
    assert said["U04"].evidence["names"] == "kim/ever"
    assert said["U05"].evidence["names"] == "kim/soon"
    run(database, "UPDATE agentic_ai.account_details SET password_set_at = now() - interval '8 d'")
    assert found(database)["U03"].evidence["names"] == "made"
    with kept_users(database, ROOT) as users:
        users.set_role("made", Role.ADMIN)
        users.disable("idle")
        users.revoke_tokens("kim", None)
        users.set_password("made", "another password it is")
    run(database, "DELETE FROM agentic_ai.login_failures")
    assert {one.level for one in found(database).values()} == {"ok"}


def test_a_broken_chain_and_one_that_nobody_follows(database: Database) -> None:
    with connect(database) as connection:
        for number in range(3):
            record(connection, database.schema, ROOT, Action.TASK_CANCEL, f"task {number}")
    unprotected = "ALTER TABLE agentic_ai.audit_log {} TRIGGER USER"
    run(database, unprotected.format("DISABLE"))
    run(
        database,
        "UPDATE agentic_ai.audit_log SET at = now() - interval '31 days' WHERE number = 1;"
        "UPDATE agentic_ai.audit_log e SET hash = agentic_ai.audit_hash(e) WHERE number = 1",
    )
    said = found(database)
    assert (said["U07"].level, said["U08"].level) == ("critical", "warning")
    assert said["U07"].evidence["number"] == 1
    run(database, unprotected.format("ENABLE"))
    note_verdict(database, ROOT, verify(database))
    assert found(database)["U08"].level == "warning", "a verification that failed is none"


@pytest.mark.parametrize("table", ["account_tokens", "audit_log"])
def test_what_may_not_be_read_is_unknown(database: Database, table: str) -> None:
    run(database, f"REVOKE ALL ON agentic_ai.{table} FROM admin")
    said = found(database)
    unknown = {code for code, one in said.items() if one.level == "unknown"}
    expected = {"U07", "U08"} if table == "audit_log" else {f"U0{n}" for n in range(1, 7)}
    assert unknown == expected
    assert all("GRANT SELECT" in said[code].remedies[0].sql for code in unknown)
