"""Old transactions, prepared ones, slots, workers that are too few: on a server of the test's
own, where they can be had."""

from __future__ import annotations

from typing import Any

from agentpg.db import Connection, Database, connect
from agentpg.desk.doctor.vacuum.findings import find
from agentpg.desk.doctor.vacuum.looking import look_at_upkeep
from agentpg.desk.doctor.vacuum.policy import Policy
from agentpg.desk.finding import Finding
from tests.servers import OwnServers
from tests.waiting import eventually

_OPTIONS = {
    "autovacuum": "off",
    "autovacuum_freeze_max_age": "100000",
    "autovacuum_max_workers": "1",
    "autovacuum_naptime": "1s",
    "max_prepared_transactions": "2",
    "wal_level": "logical",
}

_POLICY = Policy(horizon_warning=100_000, least_rows=2_000)


def _look(database: Database) -> dict[str, Finding]:
    """The worst of each check."""
    found: dict[str, Finding] = {}
    for one in find(look_at_upkeep(database, _POLICY), _POLICY):
        found.setdefault(one.code, one)
    return found


def test_what_is_old_and_what_keeps_it(own_server: OwnServers) -> None:
    server = own_server(options=_OPTIONS)
    server.start()
    database = Database(server.dsn("postgres"))
    with connect(database) as connection:
        connection.execute(b"CREATE TABLE old AS SELECT 1 AS n")
        connection.execute(b"SELECT pg_create_logical_replication_slot('reports', 'pgoutput')")
        connection.execute(b"BEGIN; INSERT INTO old VALUES (2); PREPARE TRANSACTION 'forgotten'")
        _burn(connection, 130_000)
        found = _look(database)
        assert (found["V04"].level, found["V04"].subject) == ("critical", "autovacuum")
        aged = found["V06"]
        assert (aged.level, aged.subject) == ("critical", "agentic_ai")
        assert aged.evidence["percent"] >= 130
        assert aged.evidence["tables"].startswith("pg_")
        assert aged.reason() == "autovacuum is switched off in the server"
        holders = [
            one for one in find(look_at_upkeep(database, _POLICY), _POLICY) if one.code == "V08"
        ]
        assert {(one.subject, one.evidence["kind"]) for one in holders} == {
            ("forgotten", "prepared"),
            ("reports", "catalogue slot"),
        }
        prepared = next(one for one in holders if one.subject == "forgotten")
        assert prepared.remedies[0].sql == "ROLLBACK PREPARED 'forgotten'"
        connection.execute(prepared.remedies[0].sql.encode())
        connection.execute(b"SELECT pg_drop_replication_slot('reports')")
        # Autovacuum does the rest, also in the databases that nobody can connect to.
        connection.execute(b"ALTER SYSTEM SET autovacuum = on")
        connection.execute(b"SELECT pg_reload_conf()")
        _saturate(database)
        eventually(
            lambda: {_look(database)[code].level for code in ("V04", "V06", "V08")} == {"ok"}
        )


def _burn(connection: Connection[Any], number: int) -> None:
    connection.execute(
        f"DO $$ BEGIN FOR i IN 1..{number} LOOP "
        "PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$".encode()
    )


def _saturate(database: Database) -> None:
    """The only worker is made slow on one table, while another waits."""
    slow = "autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_cost_delay = 100"
    with connect(database) as connection:
        for name, options in (("slow", f"WITH ({slow})"), ("waits", "")):
            connection.execute(f"CREATE TABLE {name} (n int, t text) {options}".encode())
            rows = "SELECT n, repeat('x', 100) FROM generate_series(1, 5000) AS n"
            connection.execute(f"INSERT INTO {name} {rows}".encode())
            connection.execute(f"DELETE FROM {name}".encode())
            connection.execute(b"SELECT pg_stat_force_next_flush()")

        def warned() -> Finding | None:
            finding = _look(database)["V05"]
            return finding if finding.level == "warning" else None

        finding = eventually(warned)
        assert finding is not None
        assert "waits" in finding.evidence["tables"]
        connection.execute(b"DROP TABLE waits")
        connection.execute(b"SELECT pg_cancel_backend(pid) FROM pg_stat_progress_vacuum")
        connection.execute(b"DROP TABLE slow")
