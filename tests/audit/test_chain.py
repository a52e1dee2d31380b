"""The log is a chain: whoever changes it is found out, and writers at once make one chain."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentpg.audit.acting import Action, Actor
from agentpg.audit.anchors import Anchors
from agentpg.audit.chain import Anchor, Break
from agentpg.audit.reading import Wanted, entries, export
from agentpg.audit.recording import record
from agentpg.audit.verifying import (
    note_verdict,
    verify,
    verify_end,
    verify_file,
)
from agentpg.db import Connection, Database, connect, driver_errors
from agentpg.desk.doctor.accounts.facts import last_verified
from agentpg.errors import AgentpgError, FileNotRead, PermissionDenied
from tests.schema.old import rows

KIM = Actor(account="kim", os_user="kim@desk", program="agentpg test")


def add(database: Database, number: int, *, connection: Connection[Any] | None = None) -> None:
    with connect(database) as own:
        for step in range(number):
            record(connection or own, database.schema, KIM, Action.TASK_CANCEL, f"task {step}")


@pytest.fixture
def forge(database: Database, superuser_dsn: Callable[..., str]) -> Iterator[Callable[[str], None]]:
    """Run SQL as a superuser for whom no trigger fires."""
    name = rows(database, "SELECT current_database()")[0][0]
    with connect(Database(superuser_dsn(name))) as connection:
        connection.execute("SET session_replication_role = 'replica'")

        def run_it(text: str) -> None:
            connection.execute(text.encode())

        yield run_it


def test_writers_at_once_make_one_chain(database: Database) -> None:
    writers = [threading.Thread(target=add, args=(database, 25)) for _ in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    verdict = verify(database)
    assert (verdict.entries, verdict.broken) == (150, None)
    assert verify_end(database, 10).broken is None
    assert verify_end(database, 10).end == verdict.end


def test_an_entry_is_undone_with_its_action(database: Database) -> None:
    add(database, 1)
    with connect(database, autocommit=False) as connection:
        record(connection, database.schema, KIM, Action.TASK_HOLD, "never")
        connection.rollback()
    add(database, 1)
    assert verify(database).entries == 2
    assert {one.object for one in entries(database, Wanted())} == {"task 0"}


def test_what_the_server_knows_is_not_said_by_the_writer(database: Database) -> None:
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO agentic_ai.audit_log (number, at, action, database_role, form,"
            " previous_hash, hash) VALUES (99, '2001-01-01', 'task.cancel', 'somebody', 7,"
            " decode(repeat('00', 32), 'hex'), decode(repeat('11', 32), 'hex'))"
        )
    [entry] = entries(database, Wanted())
    assert (entry.number, entry.database_role, entry.at.year > 2001) == (1, "admin", True)
    assert verify(database).broken is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET action = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "UPDATE audit_head SET number = 0",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
    ],
)
def test_nobody_changes_an_entry(database: Database, statement: str) -> None:
    add(database, 2)
    with pytest.raises(PermissionDenied, match="only added"):
        _run(database, statement)
    assert verify(database).broken is None


def _run(database: Database, statement: str) -> None:
    with connect(database) as connection, driver_errors(database.target()):
        connection.execute(statement.encode())


SWAP = (
    "UPDATE agentic_ai.audit_log SET number = -1 WHERE number = 4;"
    "UPDATE agentic_ai.audit_log SET number = 4 WHERE number = 7;"
    "UPDATE agentic_ai.audit_log SET number = 7 WHERE number = -1"
)
# As who knows all: the text, the number and the hashes of a new entry behind the fourth.
INSERT = """
    UPDATE agentic_ai.audit_log SET number = -number - 1 WHERE number > 4;
    UPDATE agentic_ai.audit_log SET number = -number WHERE number < 0;
    INSERT INTO agentic_ai.audit_log
    SELECT 5, at, action, 'forged', outcome, account, database_role, address, os_user, program,
           details, form, hash, hash FROM agentic_ai.audit_log WHERE number = 4;
    UPDATE agentic_ai.audit_log e SET hash = agentic_ai.audit_hash(e) WHERE number = 5;
    UPDATE agentic_ai.audit_head SET number = 11
"""
REWRITE = """
    UPDATE agentic_ai.audit_log SET object = 'forged' WHERE number = 9;
    UPDATE agentic_ai.audit_log e SET hash = agentic_ai.audit_hash(e) WHERE number = 9;
    UPDATE agentic_ai.audit_log SET previous_hash =
        (SELECT hash FROM agentic_ai.audit_log WHERE number = 9) WHERE number = 10;
    UPDATE agentic_ai.audit_log e SET hash = agentic_ai.audit_hash(e) WHERE number = 10;
    UPDATE agentic_ai.audit_head SET hash =
        (SELECT hash FROM agentic_ai.audit_log WHERE number = 10)
"""
CUT = "DELETE FROM agentic_ai.audit_log WHERE number > 7"
CUT_WITH_HEAD = (
    f"{CUT}; UPDATE agentic_ai.audit_head SET number = 7, hash ="
    " (SELECT hash FROM agentic_ai.audit_log WHERE number = 7)"
)
REHASH = (
    "UPDATE agentic_ai.audit_log SET object = 'forged' WHERE number = 5;"
    "UPDATE agentic_ai.audit_log e SET hash = agentic_ai.audit_hash(e) WHERE number = 5"
)


@pytest.mark.parametrize(
    ("deed", "found"),
    [
        ("UPDATE agentic_ai.audit_log SET object = 'x' WHERE number = 5", Break("changed", 5)),
        ("UPDATE agentic_ai.audit_log SET at = 'infinity' WHERE number = 5", Break("changed", 5)),
        ("UPDATE agentic_ai.audit_log SET account = NULL WHERE number = 1", Break("changed", 1)),
        (REHASH, Break("changed", 5)),
        ("DELETE FROM agentic_ai.audit_log WHERE number IN (5, 6)", Break("missing", 5, 6)),
        (CUT, Break("cut", 8, 10)),
        (SWAP, Break("moved", 4, 7)),
        (INSERT, Break("added", 5)),
        ("DELETE FROM agentic_ai.audit_head", Break("head", 10)),
    ],
)
def test_what_was_done_behind_its_back_is_named(
    database: Database, forge: Callable[[str], None], deed: str, found: Break
) -> None:
    add(database, 10)
    assert verify(database).broken is None
    forge(deed)
    assert verify(database).broken == found


def test_what_was_seen_before_shows_what_the_chain_does_not(
    database: Database, forge: Callable[[str], None], tmp_path: Path
) -> None:
    add(database, 10)
    anchors, target = Anchors.of(tmp_path), database.target()
    assert anchors.seen(target) is None
    anchors.keep(target, verify(database).end)
    kept = anchors.seen(target)
    assert kept is not None
    seen = Anchor.parse(str(kept[0]))
    add(database, 1)
    assert verify(database, [seen]).broken is None
    forge("DELETE FROM agentic_ai.audit_log WHERE number = 11")
    forge(f"UPDATE agentic_ai.audit_head SET number = 10, hash = '\\x{seen.hash.hex()}'")
    forge(REWRITE)
    assert verify(database).broken is None, "whoever computes all hashes anew leaves no trace in it"
    assert verify(database, [seen]).broken == Break("other", 10)
    forge(CUT_WITH_HEAD)
    assert verify(database).broken is None
    assert verify(database, [seen]).broken == Break("cut", 8, 10)


def test_a_file_is_verified_without_a_server(database: Database, tmp_path: Path) -> None:
    with connect(database) as connection:
        said = {"nested": {"a": [1, 2.5, None, True]}, "words": '„가,나“ 3:x,\n"~', "none": None}
        for actor in (KIM, Actor()):
            record(connection, database.schema, actor, Action.USER_ADD, "나, 5:kim", **said)
    path = tmp_path / "log.jsonl"
    with path.open("w", encoding="utf-8") as file:
        assert export(database, file.write) == 2
    end = verify(database).end
    assert verify_file(path, [end]).broken is None
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("나, 5:kim", "나, 5:lee", 1), encoding="utf-8")
    assert verify_file(path).broken == Break("changed", 1)
    path.write_text(text.splitlines()[0], encoding="utf-8")
    assert verify_file(path).broken is None, "the end of a file is not told by itself"
    assert verify_file(path, [end]).broken == Break("cut", 2, 2)
    path.write_text("[1]\n", encoding="utf-8")
    with pytest.raises(FileNotRead, match="no export"):
        verify_file(path)


def test_secrets_and_long_texts_stay_out(database: Database) -> None:
    with connect(database) as connection:
        record(
            connection,
            database.schema,
            KIM,
            Action.BACKUP_RESTORE,
            "postgresql://admin:s3cret@host/db",
            password="s3cret",
            dsn="host=a password=s3cret",
            note="x" * 5000,
            nested={"api_token": "s3cret", "list": list(range(200))},
            token="apg_" + "A" * 49,
            text="made apg_" + "B" * 49,
            broken="\ud800\x00",
        )
    [entry] = entries(database, Wanted(action="backup", who="kim"))
    text = json.dumps([entry.object, dict(entry.details)])
    assert "s3cret" not in text
    assert "AAAA" not in text
    assert "BBBB" not in text
    assert len(entry.details["note"]) == 500
    assert len(entry.details["nested"]["list"]) == 51
    assert verify(database).broken is None


def test_an_act_does_not_fail_for_all_that_is_said_of_it(database: Database) -> None:
    with connect(database) as connection:
        record(
            connection,
            database.schema,
            KIM,
            Action.SECURITY_ROLES,
            sql=["GRANT 권한" * 100] * 60,
            numbers=[1e299] * 60,
            nested=[["가" * 500] * 60] * 3,
        )
    [entry] = entries(database, Wanted(who="kim"))
    assert entry.details["sql"][0].startswith("GRANT 권한")
    assert verify(database).broken is None


def test_its_verification_is_an_entry(database: Database) -> None:
    assert last_verified(database).unverified_since is None
    add(database, 1)
    assert last_verified(database).unverified_since is not None
    note_verdict(database, KIM, verify(database))
    verified = last_verified(database)
    assert (verified.number, verified.unverified_since) == (2, None)


def test_too_much_is_refused_by_the_table(database: Database) -> None:
    with pytest.raises(AgentpgError, match="details_are_few") as refused:
        _run(
            database,
            "INSERT INTO audit_log (action, details)"
            " SELECT 'x', jsonb_object_agg(n, repeat(md5(n::text), 9))"
            " FROM generate_series(1, 99) n",
        )
    assert refused.value.exit_code in (1, 2)
