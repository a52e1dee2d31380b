"""What belongs to others gets no superuser's rights by being restored, settled or looked at."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentpg.db import Connection, Database, connect
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.drilling import DrillOptions, run_drill
from agentpg.desk.backup.restore.unfinished import settle_unfinished
from agentpg.desk.backup.storage.folder import Folder
from agentpg.errors import AgentpgError
from tests.desk.backup.conftest import fill
from tests.servers import PG_BIN, SCHEMA

_STATES = "SELECT DISTINCT status::text, held_reason FROM agentic_ai.tasks"

# Whoever runs this as a superuser, or as a role that one has become for a while, makes a role one.
_RISE = """
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.rise() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE step text;
BEGIN
    FOREACH step IN ARRAY ARRAY[
        'RESET ROLE', 'RESET SESSION AUTHORIZATION', 'ALTER ROLE {mallory} SUPERUSER'
    ] LOOP
        BEGIN EXECUTE step; EXCEPTION WHEN OTHERS THEN NULL; END;
    END LOOP;
    RETURN true;
END $$;
CREATE FUNCTION evil.rise_with(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
$$BEGIN PERFORM evil.rise(); RETURN $1; END$$;
CREATE FUNCTION evil.fire() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN PERFORM evil.rise(); RETURN NEW; END$$;
"""
_ON_UPDATE = """
ALTER TABLE tasks ADD CONSTRAINT risen CHECK (evil.rise());
CREATE INDEX risen ON tasks (evil.rise_with(held_reason));
CREATE TRIGGER risen BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION evil.fire();
ALTER TABLE tasks ENABLE ALWAYS TRIGGER risen;
"""
_BY_NAME = """
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS
$$BEGIN PERFORM evil.rise(); RETURN pg_catalog.now(); END$$;
CREATE FUNCTION evil.pg_backend_pid() RETURNS int LANGUAGE plpgsql AS
$$BEGIN PERFORM evil.rise(); RETURN pg_catalog.pg_backend_pid(); END$$;
CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS
$$BEGIN PERFORM evil.rise(); RETURN pg_catalog.set_config($1, $2, $3); END$$;
"""
_AT_THE_END = """
CREATE CONSTRAINT TRIGGER risen AFTER UPDATE ON tasks DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION evil.fire();
ALTER TABLE tasks ENABLE ALWAYS TRIGGER risen;
"""


@pytest.fixture
def mallory(superuser_dsn: Callable[..., str]) -> Iterator[str]:
    """A mere role, which may become more."""
    name = f"mallory_{secrets.token_hex(4)}"
    with connect(Database(superuser_dsn())) as connection:
        connection.execute(f"CREATE ROLE {name}".encode())
        yield name
        connection.execute(f"DROP ROLE {name}".encode())


def _plant(connection: Connection, mallory: str, *scripts: str) -> None:
    """As the owner of the database and of its tables, who is no superuser."""
    for script in (_RISE.replace("{mallory}", mallory), *scripts):
        connection.execute(script.encode())
    path = f"evil, pg_catalog, {SCHEMA}, public"
    connection.execute(f"ALTER DATABASE {connection.info.dbname} SET search_path = {path}".encode())


def _is_super(dsn: str, name: str) -> bool:
    with connect(Database(dsn)) as connection:
        found = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [name])
        return bool(found.fetchall()[0][0])


def test_settling_as_a_superuser_gives_an_owner_nothing(
    database: Database, superuser_dsn: Callable[..., str], mallory: str
) -> None:
    fill(database, 3)
    with connect(database) as connection:
        _plant(connection, mallory, _ON_UPDATE, _BY_NAME)
    server = Database(superuser_dsn(database.name()), SCHEMA)
    assert settle_unfinished(server, "why", "hold") == 3
    assert not _is_super(superuser_dsn(), mallory)
    with connect(server) as connection:
        connection.execute("SET search_path = pg_catalog")
        assert connection.execute(_STATES).fetchall() == [("pending", "why")]
        left = "SELECT rolname FROM pg_roles WHERE rolname ~ 'settling' UNION SELECT nspname FROM"
        assert not connection.execute(f"{left} pg_namespace WHERE nspname ~ 'settling'").fetchall()
    # Who is no superuser does it as the owner does anything.
    assert settle_unfinished(database, "ended", "fail") == 3


def test_what_waits_for_the_end_of_the_transaction_is_refused(
    database: Database, superuser_dsn: Callable[..., str], mallory: str
) -> None:
    fill(database, 3)
    with connect(database) as connection:
        _plant(connection, mallory, _AT_THE_END)
    server = Database(superuser_dsn(database.name()), SCHEMA)
    with pytest.raises(AgentpgError, match="deferred trigger"):
        settle_unfinished(server, "why", "hold")
    assert not _is_super(superuser_dsn(), mallory)


def test_a_drill_runs_nothing_of_an_owner_as_the_superuser_of_its_server(
    database: Database,
    folder: Folder,
    options: Callable[..., CreateOptions],
    mallory: str,
    tmp_path: Path,
) -> None:
    fill(database, 3)
    told = Path("/tmp") / f"agentpg-{mallory}"
    told_to = f"COPY (SELECT 1) TO ''{told}''"
    rise = _witness(told_to)
    view = "CREATE VIEW evil.tasks AS SELECT * FROM agentic_ai.tasks WHERE evil.rise()"
    with connect(database) as connection:
        _plant(connection, mallory, rise, _BY_NAME, view)
    backup = create_backup(database, folder, options(), lambda _: None)
    drill_options = DrillOptions(parent=tmp_path / "scratch", pg_bin=PG_BIN)
    drill = run_drill(folder, backup.name, drill_options, lambda _: None)
    written = told.exists()
    told.unlink(missing_ok=True)
    assert not written
    assert {check.name: check.outcome for check in drill.checks}["contents"] == "passed"
    assert {check.name: check.outcome for check in drill.checks}["queries of the guide"] == "passed"


def _witness(step: str) -> str:
    """The function leaves a file where it is a superuser's, who alone may write one."""
    return (
        "CREATE OR REPLACE FUNCTION evil.rise() RETURNS boolean LANGUAGE plpgsql AS"
        f" $$BEGIN EXECUTE '{step}'; RETURN true; EXCEPTION WHEN OTHERS THEN RETURN true; END$$"
    )
