"""Rows and tables brought back from a backup into live tables, and undone again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agentpg.db import Database, connect, environment_of, snapshot
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.programs import find_programs
from agentpg.desk.backup.proof.comparing import compare
from agentpg.desk.backup.proof.manifest import Manifest
from agentpg.desk.backup.proof.taking import take_manifest
from agentpg.desk.backup.restore.merging import Differences, MergeOptions, bring_back
from agentpg.desk.backup.restore.tables import Source, find_tables, open_source
from agentpg.desk.backup.storage.folder import open_folder
from agentpg.errors import AgentpgError, TableNotInBackup, TableWithoutKey
from tests.desk.backup.conftest import fill
from tests.servers import PG_BIN, SharedServer

pytestmark = pytest.mark.xdist_group("tables")

Bring = Callable[..., Differences]

_TABLES = ("tasks", "notes", "parents", "children", "odd", "tree")


def _ignore(*_: object) -> None:
    return


@pytest.fixture(scope="module")
def kept(shared_server: SharedServer) -> Iterator[Database]:
    """Tables with keys of every kind and values that are hard to write."""
    with shared_server.database() as made:
        fill(made)
        _add_tables(made)
        yield made


@pytest.fixture
def live(shared_server: SharedServer, kept: Database) -> Iterator[Database]:
    """The test's own copy of them."""
    with shared_server.database(like=kept) as copy:
        yield copy


def _add_tables(database: Database) -> None:
    with connect(database) as connection:
        connection.execute(
            "CREATE TABLE agentic_ai.parents (id int PRIMARY KEY, name text);"
            "CREATE TABLE agentic_ai.children (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
            " parent int NOT NULL REFERENCES agentic_ai.parents);"
            "CREATE INDEX children_parent_idx ON agentic_ai.children (parent);"
            'CREATE TABLE agentic_ai.odd ("A key" text, n int, "100%% it\'s" float8, b bytea,'
            " at timestamptz, j jsonb, a text[], twice int GENERATED ALWAYS AS (n * 2) STORED,"
            ' PRIMARY KEY ("A key", n));'
            "CREATE TABLE agentic_ai.keyless (n int);"
            "CREATE TABLE agentic_ai.tree (id serial PRIMARY KEY,"
            " above int REFERENCES agentic_ai.tree, touched timestamptz);"
            "CREATE FUNCTION agentic_ai.touch() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN NEW.touched := clock_timestamp(); RETURN NEW; END$$;"
            "CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON agentic_ai.tree FOR EACH ROW"
            " EXECUTE FUNCTION agentic_ai.touch();"
            "ALTER TABLE agentic_ai.tree ENABLE ALWAYS TRIGGER touch;"
            "INSERT INTO agentic_ai.tree (above)"
            " SELECT nullif(n - 1, 0) FROM generate_series(1, 5) n;"
            "INSERT INTO agentic_ai.parents SELECT n, 'p' || n FROM generate_series(1, 10) n;"
            "INSERT INTO agentic_ai.children (parent) SELECT n FROM generate_series(1, 10) n;"
            "INSERT INTO agentic_ai.odd SELECT E'it''s \\\\ ' || n, n, n / 3.0, '\\x00ff', now(),"
            " '{\"a\": \"b\"}', ARRAY['x,y', NULL] FROM generate_series(1, 10) n".replace("%%", "%")
        )


@contextmanager
def _restored(database: Database, place: Path) -> Iterator[Source]:
    """A restored backup of a database."""
    folder = open_folder(place / "repository")
    options = CreateOptions(compression="gzip:1", stages=place / "stages", pg_bin=PG_BIN)
    backup = create_backup(database, folder, options, _ignore)
    with open_source(backup, folder, None, place / "scratch", PG_BIN, _ignore) as opened:
        yield opened


@pytest.fixture(scope="module")
def source(kept: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """A restored backup of them, which is only read."""
    with _restored(kept, tmp_path_factory.mktemp("source")) as opened:
        yield opened


@pytest.fixture
def bring(source: Source, live: Database, tmp_path: Path) -> Bring:
    """Call it with tables to bring back."""
    return _bringing(source, live, tmp_path)


def _bringing(source: Source, live: Database, tmp_path: Path) -> Bring:
    def run(*names: str, yes: bool = True, **other: Any) -> Differences:
        options = MergeOptions(undo=tmp_path / "undo" / "undo.sql", **other)
        tables = find_tables(source, live, names)
        return bring_back(source, live, tables, options, lambda _: yes)

    return run


def _state(database: Database) -> dict[str, list[Any]]:
    with connect(database) as connection:
        return {
            table: connection.execute(
                f"SELECT t::text FROM agentic_ai.{table} t ORDER BY 1".encode()
            ).fetchall()
            for table in _TABLES
        }


def _undo(live: Database, tmp_path: Path) -> str:
    """Run the file that undoes it; what psql says where that fails."""
    path = tmp_path / "undo" / "undo.sql"
    assert path.stat().st_mode & 0o777 == 0o600
    with connect(live) as connection:
        major = connection.info.server_version // 10_000
    psql = find_programs(PG_BIN, major).tool("psql")
    command: list[str | Path] = [psql, "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--file", path]
    # A terminal may speak another encoding than the file does.
    environment = {**environment_of(live.dsn), "PGCLIENTENCODING": "EUC_KR"}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def _change(live: Database, *statements: str) -> None:
    with connect(live) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_rows_come_back_in_the_order_of_their_keys_and_go_again(
    bring: Bring, live: Database, tmp_path: Path
) -> None:
    before = _state(live)
    _change(
        live,
        "DELETE FROM children WHERE id <= 4",
        "DELETE FROM parents WHERE id <= 4",
        "DELETE FROM odd WHERE n <= 5",
        "UPDATE odd SET b = NULL WHERE n > 8",
        "INSERT INTO parents VALUES (99, 'new')",
    )
    changed = _state(live)
    found = bring("children", "parents", "odd", overwrite=True)
    by_name = {one.table: (one.missing, one.changed, one.only_live) for one in found.tables}
    assert by_name == {
        "agentic_ai.parents": (4, 0, 1),
        "agentic_ai.children": (4, 0, 0),
        "agentic_ai.odd": (5, 2, 0),
    }
    after = _state(live)
    assert after["children"] == before["children"]
    assert after["odd"] == before["odd"]
    assert sorted([*before["parents"], ("(99,new)",)]) == sorted(after["parents"])
    assert _undo(live, tmp_path) == ""
    assert _state(live) == changed


def test_rows_that_name_one_another_come_back_as_they_were_and_go_again(
    bring: Bring, live: Database, tmp_path: Path
) -> None:
    before = _state(live)
    # Their numbers begin anew, and one is taken.
    _change(live, "TRUNCATE tree RESTART IDENTITY", "INSERT INTO tree DEFAULT VALUES")
    changed = _state(live)
    [found] = bring("tree", overwrite=True).tables
    assert (found.missing, found.changed) == (4, 1)
    assert _state(live) == before
    with connect(live) as connection:
        asked = "SELECT tgenabled FROM pg_trigger WHERE tgname = 'touch'"
        assert connection.execute(asked).fetchone() == ("A",)
        connection.execute("INSERT INTO tree DEFAULT VALUES")
        connection.execute("DELETE FROM tree WHERE id > 5")
    assert _undo(live, tmp_path) == ""
    assert _state(live) == changed


def test_what_was_done_since_is_not_undone(bring: Bring, live: Database, tmp_path: Path) -> None:
    _change(live, "DELETE FROM odd WHERE n <= 2", "UPDATE odd SET b = NULL WHERE n > 8")
    bring("odd", overwrite=True)
    _change(live, "UPDATE odd SET j = '{}' WHERE n = 1")
    since = _state(live)
    assert "rows of agentic_ai.odd have changed since" in _undo(live, tmp_path)
    assert _state(live) == since
    _change(live, 'UPDATE odd SET j = \'{"a": "b"}\' WHERE n = 1')
    assert _undo(live, tmp_path) == ""
    undone = _state(live)
    assert "have changed since" in _undo(live, tmp_path)
    assert _state(live) == undone


def test_a_moment_in_the_condition_is_of_the_live_time_zone(bring: Bring, live: Database) -> None:
    name = live.name()
    _change(
        live,
        "DELETE FROM odd",
        f"ALTER DATABASE {name} SET TimeZone = 'Asia/Seoul'",
        # It is another one's, which the backup does not know.
        "CREATE TABLE public.tree (n int)",
        "DROP TABLE agentic_ai.tree",
    )
    said = f"at > '{datetime.now(ZoneInfo('Asia/Seoul')) - timedelta(hours=1):%Y-%m-%d %H:%M}'"
    found = {one.table: one.missing for one in bring("odd", "tree", where=said).tables}
    assert found == {"agentic_ai.odd": 10, "agentic_ai.tree": None}


def test_changed_rows_stay_unless_told(bring: Bring, live: Database) -> None:
    _change(live, "UPDATE odd SET b = NULL WHERE n > 8", "DELETE FROM odd WHERE n = 1")
    changed = _state(live)["odd"]
    [found] = bring("odd").tables
    assert (found.missing, found.changed) == (1, 2)
    assert set(changed) < set(_state(live)["odd"])
    assert len(_state(live)["odd"]) == 10


def test_only_the_rows_that_are_wanted(bring: Bring, live: Database) -> None:
    _change(live, "DELETE FROM odd")
    [found] = bring("odd", where="n % 2 = 0 AND \"A key\" LIKE 'it%'").tables
    assert found.missing == 5
    assert len(_state(live)["odd"]) == 5


def test_nothing_happens_without_a_yes(bring: Bring, live: Database, tmp_path: Path) -> None:
    _change(live, "DELETE FROM odd WHERE n = 1")
    changed = _state(live)
    found = bring("odd", yes=False)
    assert found.tables[0].missing == 1
    assert _state(live) == changed
    assert not (tmp_path / "undo").exists()


def test_nobody_waits_while_somebody_is_asked(
    source: Source, live: Database, tmp_path: Path
) -> None:
    _change(live, "DELETE FROM odd WHERE n <= 2")

    def agree(found: Differences) -> bool:
        assert found.tables[0].missing == 2
        _change(live, "SET lock_timeout = '5s'", "DELETE FROM odd WHERE n = 3")
        return True

    options = MergeOptions(undo=tmp_path / "undo.sql")
    found = bring_back(source, live, find_tables(source, live, ["odd"]), options, agree)
    # What was deleted meanwhile comes back as well, and the undo knows it.
    assert found.tables[0].missing == 3
    assert (tmp_path / "undo.sql").read_text().count("\t\\\\x00ff\t") == 3


def test_rows_that_do_not_fit_any_more_change_nothing(
    bring: Bring, live: Database, tmp_path: Path
) -> None:
    _change(live, "DELETE FROM children", "DELETE FROM parents WHERE id = 1")
    changed = _state(live)
    with pytest.raises(AgentpgError, match="children_parent_fkey"):
        bring("children")
    assert _state(live) == changed
    assert not (tmp_path / "undo" / "undo.sql").exists()


def test_unfinished_tasks_come_back_held(bring: Bring, live: Database, tmp_path: Path) -> None:
    _change(live, "DELETE FROM tasks")
    gone = _state(live)
    bring("tasks")
    with connect(live) as connection:
        rows = connection.execute("SELECT DISTINCT status, left(held_reason, 13) FROM tasks")
        assert rows.fetchall() == [("pending", "restored from")]
    assert _undo(live, tmp_path) == ""
    assert _state(live) == gone


def test_a_dropped_table_comes_back_with_all_that_was_its_own(
    bring: Bring, live: Database, tmp_path: Path
) -> None:
    before = _state(live)
    asked = (
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'children' UNION ALL"
        " SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = to_regclass('children') ORDER BY 1"
    )
    with connect(live) as connection:
        definition = connection.execute(asked.encode()).fetchall()
    _change(live, "DROP TABLE children", "DELETE FROM parents WHERE id = 1")
    found = bring("children", "parents")
    assert {one.table: one.missing for one in found.tables} == {
        "agentic_ai.children": None,
        "agentic_ai.parents": 1,
    }
    assert _state(live) == before
    with connect(live) as connection:
        assert connection.execute(asked.encode()).fetchall() == definition
        connection.execute("INSERT INTO children (parent) VALUES (1)")
    assert _undo(live, tmp_path) == ""
    with connect(live) as connection:
        asked = "SELECT to_regclass('children'), (SELECT count(*) FROM parents)"
        assert connection.execute(asked.encode()).fetchone() == (None, 9)


_AROUND = (
    "CREATE VIEW names AS SELECT id, name FROM agentic_ai.parents",
    "CREATE VIEW names_again AS SELECT n.id FROM agentic_ai.names n",
    "CREATE VIEW counted AS SELECT p.*, count(c.id) FROM agentic_ai.parents p"
    " LEFT JOIN agentic_ai.children c ON c.parent = p.id GROUP BY p.id",
    "COMMENT ON VIEW counted IS 'how many'",
    "GRANT SELECT ON names, parents TO PUBLIC",
    "CREATE MATERIALIZED VIEW kept AS SELECT id FROM agentic_ai.parents",
    "CREATE UNIQUE INDEX ON kept (id)",
    "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$",
    "CREATE TRIGGER own BEFORE INSERT ON parents FOR EACH ROW EXECUTE FUNCTION shout()",
    "CREATE TRIGGER instead INSTEAD OF INSERT ON names FOR EACH ROW EXECUTE FUNCTION shout()",
    "CREATE FUNCTION named(parents) RETURNS text LANGUAGE sql AS 'SELECT ($1).name'",
    "ALTER TABLE parents ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON parents USING (id > 0)",
    "CREATE POLICY theirs ON odd USING (n IN (SELECT id FROM agentic_ai.parents))",
    "CREATE RULE along AS ON DELETE TO keyless DO ALSO DELETE FROM agentic_ai.parents"
    " WHERE id = OLD.n",
    "CREATE STATISTICS pair ON id, name FROM parents",
    "ALTER TABLE parents ADD number serial, ADD UNIQUE (name)",
    "SELECT setval('parents_number_seq', 77)",
    "ALTER TABLE keyless ADD counted int DEFAULT nextval('agentic_ai.parents_number_seq')",
    "CREATE TABLE heirs (more text) INHERITS (parents)",
    "INSERT INTO heirs (id, name, number, more) VALUES (500, 'heir', 1, 'x')",
    "SET client_min_messages = error; CREATE PUBLICATION told FOR TABLE parents",
)


@pytest.fixture
def surrounded(live: Database) -> Database:
    """A table on which much else depends."""
    _change(live, *_AROUND)
    return live


@pytest.fixture
def around(surrounded: Database, tmp_path: Path) -> Iterator[Source]:
    """A restored backup of the tables with all that is around them."""
    with _restored(surrounded, tmp_path) as opened:
        yield opened


def _all_of(database: Database) -> Manifest:
    with snapshot(database) as connection:
        return take_manifest(connection, database.schema)


def test_what_went_with_a_dropped_table_comes_back_too(
    surrounded: Database, around: Source, tmp_path: Path
) -> None:
    bring = _bringing(around, surrounded, tmp_path)
    before = _all_of(surrounded)
    _change(surrounded, "DROP TABLE parents CASCADE", "DELETE FROM odd WHERE n = 1")
    without = _all_of(surrounded)
    found = bring("parents", "odd")
    assert [one.name for one in found.dependents if one.reason] == []
    said = " ".join(one.name for one in found.dependents)
    for name in ("children_parent_fkey on agentic_ai.children", "view agentic_ai.names", "theirs"):
        assert name in said
    assert [check for check in compare(before, _all_of(surrounded)) if check.differences] == []
    with connect(surrounded) as connection:
        asked = "SELECT nextval('parents_number_seq'), (SELECT count(*) FROM kept)"
        assert connection.execute(asked.encode()).fetchone() == (78, 11)
    _undo(surrounded, tmp_path)
    assert [c for c in compare(without, _all_of(surrounded)) if c.differences] == []


def test_what_does_not_fit_any_more_is_named_with_its_sql(
    surrounded: Database, around: Source, tmp_path: Path
) -> None:
    _change(
        surrounded,
        "DROP TABLE parents, odd CASCADE",
        "UPDATE children SET parent = 999",
        "DROP PUBLICATION told",
    )
    without = _all_of(surrounded)
    shown: list[Differences] = []

    def agree(found: Differences) -> bool:
        shown.append(found)
        return True

    options = MergeOptions(undo=tmp_path / "undo" / "undo.sql")
    found = bring_back(
        around, surrounded, find_tables(around, surrounded, ["parents"]), options, agree
    )
    expected = {one.name: one.reason for one in shown[0].dependents if one.reason}
    assert expected == {
        f"publication relation agentic_ai.{table} in publication told": "needs publication told"
        for table in ("parents", "heirs")
    }
    unmade = {one.name: one for one in found.dependents if one.reason and one.name not in expected}
    [(name, key)] = unmade.items()
    assert name == "table constraint children_parent_fkey on agentic_ai.children"
    assert "violates foreign key constraint" in key.reason
    # It can be made by hand once that is put right.
    _change(surrounded, "UPDATE children SET parent = 1", key.sql)
    _change(surrounded, "ALTER TABLE children DROP CONSTRAINT children_parent_fkey")
    _change(surrounded, "UPDATE children SET parent = 999")
    _undo(surrounded, tmp_path)
    assert [c for c in compare(without, _all_of(surrounded)) if c.differences] == []


def test_all_of_it_is_done_or_nothing(bring: Bring, live: Database, tmp_path: Path) -> None:
    _change(
        live,
        "DROP TABLE children",
        "DELETE FROM parents WHERE id = 1",
        "DELETE FROM odd WHERE n = 1",
    )
    changed = _all_of(live)
    with pytest.raises(AgentpgError, match="children_parent_fkey"):
        bring("children", "odd")
    assert [check for check in compare(changed, _all_of(live)) if check.differences] == []
    assert not (tmp_path / "undo" / "undo.sql").exists()


def test_tasks_of_a_dropped_table_come_back_held(bring: Bring, live: Database) -> None:
    _change(live, "DROP TABLE tasks CASCADE")
    bring("tasks")
    with connect(live) as connection:
        rows = connection.execute("SELECT DISTINCT status, left(held_reason, 13) FROM tasks")
        assert rows.fetchall() == [("pending", "restored from")]


def test_tables_that_cannot_be_merged_are_named(bring: Bring) -> None:
    with pytest.raises(TableNotInBackup, match="no_such"):
        bring("no_such")
    with pytest.raises(TableWithoutKey, match="keyless"):
        bring("keyless")
