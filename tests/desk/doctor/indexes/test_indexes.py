"""Indexes: each cause made for real, named, and gone once it is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from agentpg.db import Database, ServerError, connect
from agentpg.desk.doctor.indexes import examine
from agentpg.desk.doctor.indexes.findings import CHECKS, find
from agentpg.desk.doctor.indexes.looking import look_at_indexes, own_indexes
from agentpg.desk.doctor.indexes.policy import Policy
from agentpg.desk.finding import Finding
from agentpg.settings import load_settings
from tests.servers import SharedServer

# What is large for a test, and watched since just now.
_SMALL = Policy(
    large_rows=1000,
    scans_least=5,
    watched_least=timedelta(0),
    unused_warning_bytes=16 * 8192,
    bloat_least_bytes=16 * 8192,
    bloat_critical_bytes=1024**3,
    updates_least=500,
    nulls_least_bytes=8192,
)

_MADE = """
    CREATE TABLE parent (id int PRIMARY KEY);
    INSERT INTO parent SELECT generate_series(1, 2000);
    CREATE TABLE child (
        id serial PRIMARY KEY, parent int REFERENCES parent, state text, seldom int, wide text
    ) WITH (autovacuum_enabled = off);
    INSERT INTO child (parent, state, seldom, wide)
    SELECT n, n % 3, CASE WHEN n % 100 = 0 THEN n END, md5(n::text) || n
    FROM generate_series(1, 2000) AS n;
    CREATE INDEX child_state_a ON child (state);
    CREATE INDEX child_state_b ON child (state);
    CREATE INDEX child_state_wide ON child (state, wide);
    CREATE INDEX child_seldom ON child (seldom);
    CREATE INDEX "Wide; index" ON child (wide);
    CREATE TABLE keyless AS SELECT n FROM generate_series(1, 2000) AS n;
    ANALYZE;
    DELETE FROM parent WHERE id > 1999 AND false;
    UPDATE parent SET id = id WHERE id = 1;
    UPDATE child SET state = state || 'x';
    DELETE FROM child WHERE id % 20 <> 0;
"""

_MENDED = """
    DROP INDEX child_state_b, child_state_a, child_seldom, broken;
    CREATE INDEX ON child (parent);
    ALTER TABLE keyless ADD PRIMARY KEY (n);
    REINDEX TABLE child;
    ANALYZE;
"""


@pytest.fixture
def worn(
    shared_server: SharedServer, superuser_dsn: Callable[..., str]
) -> Iterator[tuple[Database, Database]]:
    """A database with all of it, as its owner and as the superuser."""
    with shared_server.database() as database:
        with connect(database) as connection:
            name = connection.info.dbname
            connection.execute(b"SET search_path = public")
            connection.execute(_MADE.encode())
            connection.execute(b"SELECT pg_stat_force_next_flush()")
            for _ in range(6):
                connection.execute(b"SELECT count(*) FROM child WHERE wide = 'x'")
                connection.execute(b"SELECT count(*) FROM keyless WHERE n = 1")
            with pytest.raises(ServerError):
                connection.execute(b"CREATE UNIQUE INDEX CONCURRENTLY broken ON child (state)")
            connection.execute(b"VACUUM child")
            connection.execute(b"SELECT pg_stat_force_next_flush()")
        superuser = Database(superuser_dsn(name), database.schema)
        with connect(superuser) as connection:
            connection.execute(b"CREATE EXTENSION pgstattuple SCHEMA public")
            connection.execute(b"GRANT pg_stat_scan_tables TO admin")
        yield database, superuser
        with connect(superuser) as connection:
            connection.execute(b"REVOKE pg_stat_scan_tables FROM admin")


def _found(database: Database, policy: Policy = _SMALL) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {check.code: [] for check in CHECKS}
    for finding in find(look_at_indexes(database, policy), policy):
        found[finding.code].append(finding)
    return found


def _bad(found: dict[str, list[Finding]]) -> dict[str, set[str]]:
    """The subjects of what is amiss, by code."""
    bad = {code: {one.subject for one in said if one.level != "ok"} for code, said in found.items()}
    return {code: subjects for code, subjects in bad.items() if subjects}


def test_each_names_the_culprit_and_clears(worn: tuple[Database, Database]) -> None:
    database, _ = worn
    found = _found(database)
    assert _bad(found) == {
        "I01": {"public.keyless"},
        "I02": {
            "public.child_state_a",
            "public.child_state_b",
            "public.child_state_wide",
            "public.child_seldom",
        },
        "I03": {"public.child_state_b"},
        "I04": {"public.child_state_a"},
        "I05": {"public.broken"},
        "I06": {'public."Wide; index"', "public.child_state_wide"},
        "I07": {"public.child"},
        "I08": {"public.keyless"},
        "I09": {"public.child"},
        "I10": {"public.child_seldom"},
    }
    assert {one.level for one in found["I06"]} == {"warning"}
    assert all(one.evidence["measured"] for one in found["I06"])
    assert "agentpg tune indexes --apply public.child_parent_idx" in [
        remedy.command for remedy in found["I07"][0].remedies
    ]
    with connect(database) as connection:
        connection.execute(b"SET search_path = public")
        connection.execute(_MENDED.encode())
    # What was counted stays counted.
    assert set(_bad(_found(database))) == {"I01", "I02", "I09"}


def test_a_short_time_of_watching_is_no_proof(worn: tuple[Database, Database]) -> None:
    database, _ = worn
    [finding] = _found(database, Policy())["I02"]
    assert finding.level == "info"
    assert "public.child_seldom" in finding.evidence["indexes"]


def test_who_may_see_little_is_told_so(
    worn: tuple[Database, Database], shared_server: SharedServer
) -> None:
    _, superuser = worn
    with connect(superuser) as connection:
        connection.execute(b"DROP ROLE IF EXISTS sees_little")
        connection.execute(b"CREATE ROLE sees_little LOGIN")
        little = superuser.with_settings(role="sees_little")
        try:
            found = _found(little)
        finally:
            connection.execute(b"DROP ROLE sees_little")
    assert [one.level for one in found["I06"]] == ["unknown"]
    assert found["I06"][0].remedies[0].sql.startswith("GRANT ")
    assert found["I03"][0].subject == "public.child_state_b"


def test_nothing_is_wrong_with_our_own(database: Database) -> None:
    said = examine(database, load_settings())
    assert [one.code for one in said] == [check.code for check in CHECKS]
    assert {one.level for one in said} == {"ok"}
    assert "tasks_ready_idx" in own_indexes()


def test_a_database_that_is_not_ours(empty_database: Database) -> None:
    with connect(empty_database) as connection:
        connection.execute(b"CREATE TABLE t (a int); CREATE INDEX x ON t (a)")
        connection.execute(b"CREATE INDEX y ON t (a)")
    assert [one.subject for one in _found(empty_database)["I03"]] == ["public.y"]


@pytest.mark.without_server
def test_without_a_server_all_is_unknown() -> None:
    gone = Database("host=127.0.0.1 port=1 user=x dbname=x")
    assert {one.level for one in find(look_at_indexes(gone, _SMALL), _SMALL)} == {"unknown"}
