"""Where check_postgres or pg-diag look at the same, they see the same.

Debian has check_postgres. pg-diag comes from PyPI, into an environment of its own, since it brings
much; its program is found on the PATH.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from agentpg.db import Database, connect
from agentpg.desk.doctor.rooms import examine
from agentpg.desk.finding import Finding
from agentpg.desk.monitor.reading import reading
from agentpg.desk.monitor.sizes import read_sizes
from agentpg.embedded import EmbeddedServer
from agentpg.schema import migrate
from agentpg.settings import load_settings
from tests.servers import SCHEMA, Mould, OwnServers, Reaper

pytestmark = [pytest.mark.one_server, pytest.mark.xdist_group("oracles")]

_CHECK_POSTGRES = shutil.which("check_postgres")
_PG_DIAG = shutil.which("pg-diag")

needs_check_postgres = pytest.mark.skipif(
    _CHECK_POSTGRES is None, reason="check_postgres is not installed"
)
needs_pg_diag = pytest.mark.skipif(_PG_DIAG is None, reason="pg-diag is not installed")

_WRAPAROUND = "storage_vacuum.database_wraparound"

# What both sides have something to say of.
_MADE = (
    "CREATE TABLE numbered (small smallserial, plain serial)",
    "SELECT setval('numbered_small_seq', 32000)",
    "SELECT setval('numbered_plain_seq', 1700000000)",
    "ALTER TABLE agentic_ai.tasks DISABLE TRIGGER USER",
    "CREATE TABLE child (n int)",
    "ALTER TABLE child ADD CONSTRAINT above CHECK (n > 0) NOT VALID",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A server with something to see, and what our doctor says of it."""

    server: EmbeddedServer
    findings: tuple[Finding, ...]

    @property
    def database(self) -> Database:
        """As its superuser."""
        return Database(self.server.dsn("postgres"), SCHEMA)

    def of(self, code: str) -> list[Finding]:
        """The findings of one check."""
        return [one for one in self.findings if one.code == code]

    def checked(self, action: str, *options: str) -> str:
        """What check_postgres says of one action."""
        said = conninfo_to_dict(self.database.dsn)
        done = subprocess.run(
            [
                str(_CHECK_POSTGRES),
                f"--action={action}",
                f"--host={said['host']}",
                f"--port={said['port']}",
                f"--dbuser={said['user']}",
                f"--dbname={said['dbname']}",
                *options,
            ],
            env={**os.environ, "PGPASSFILE": str(said["passfile"])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.startswith("POSTGRES_"), done
        return done.stdout

    def diagnosed(self, folder: Path, *items: str) -> dict[str, list[dict[str, Any]]]:
        """The rows that pg-diag has of these items."""
        said = conninfo_to_dict(self.database.dsn)
        report = folder / "report.json"
        names = {"host": "host", "port": "port", "dbname": "database", "user": "user"}
        places = [part for key, name in names.items() for part in (f"--{name}", str(said[key]))]
        command = [str(_PG_DIAG), "one-shot", *places, "--passfile", str(said["passfile"])]
        command += ["--collection-mode", "remote-db-only", "--disable-ddl"]
        command += ["--output-format", "json", "--json-out", str(report)]
        subprocess.run(
            [*command, "--item-id", ",".join(items)], check=True, capture_output=True, cwd=folder
        )
        document = json.loads(report.read_text(encoding="utf-8"))["items"]
        return {item: _rows(document[item]["result"]) for item in items}


def _rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    names = [column["name"] for column in result["columns"]]
    return [dict(zip(names, row, strict=True)) for row in result["rows"]]


@pytest.fixture(scope="module")
def seen(reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Looked at by ours; nothing changes any more."""
    servers = OwnServers(tmp_path_factory.mktemp("oracles"), reaper, mould)
    server = servers()
    server.start()
    migrate(Database(server.dsn(), SCHEMA))
    database = Database(server.dsn("postgres"), SCHEMA)
    with connect(database) as connection:
        for statement in _MADE:
            connection.execute(statement.encode())
    settings = load_settings(home=server.status().data.parents[1])
    found = [one for room in examine(database, settings).values() for one in room]
    yield Seen(server, tuple(found))
    servers.close()


def _size(database: Database) -> int:
    with reading(database, "the tests") as reader:
        return read_sizes(reader).bytes


def _numbers(pattern: str, text: str) -> dict[str, int]:
    return {name: int(number) for name, number in re.findall(pattern, text)}


@needs_check_postgres
def test_check_postgres_sees_the_same(seen: Seen) -> None:
    sequences = seen.checked("sequence", "--warning=1%", "--critical=2%")
    left = _numbers(r"(agentic_ai\.\w+)=\d+% \(calls left=(\d+)\)", sequences)
    ours = {one.subject: one.evidence["left"] for one in seen.of("V10")}
    assert ours == {name: left[name] for name in ours}
    assert len(ours) == 2

    disabled = re.findall(r"tasks=>(\w+)", seen.checked("disabled_triggers"))
    assert seen.of("V12")[0].evidence["triggers"].split(", ") == disabled

    ages = _numbers(r"(\w+): (\d+)", seen.checked("txn_wraparound"))
    assert seen.of("V06")[0].evidence["transactions"] == pytest.approx(ages["agentic_ai"], abs=3)

    sizes = _numbers(r"(\w+)=(\d+)", seen.checked("database_size", "--warning=1"))
    assert _size(seen.database) == sizes["agentic_ai"]


@needs_pg_diag
def test_pg_diag_sees_the_same(seen: Seen, tmp_path: Path) -> None:
    theirs = seen.diagnosed(
        tmp_path,
        "storage_vacuum.sequence_status",
        _WRAPAROUND,
        "object_workload.disabled_triggers",
        "indexes.unvalidated_constraints",
        "overview.database_volume",
    )
    sequences = {
        str(row["sequence_name"]).removeprefix("agentic_ai."): row
        for row in theirs["storage_vacuum.sequence_status"]
    }
    for finding in seen.of("V10"):
        row = sequences[finding.subject]
        assert finding.evidence["left"] == int(row["remaining_values"])
        assert finding.evidence["percent"] == int(row["percent"])

    [triggers] = seen.of("V12")
    named = {row["trigger_name"] for row in theirs["object_workload.disabled_triggers"]}
    assert set(triggers.evidence["triggers"].split(", ")) == named

    [unchecked] = seen.of("V13")
    [row] = theirs["indexes.unvalidated_constraints"]
    assert unchecked.subject == row["table_name"]
    assert row["constraint_name"] in unchecked.message() + str(unchecked.evidence)

    ages = {row["datname"]: int(row["xid_age"]) for row in theirs[_WRAPAROUND]}
    assert seen.of("V06")[0].evidence["transactions"] == pytest.approx(ages["agentic_ai"], abs=3)

    volumes = {row["database_name"]: row for row in theirs["overview.database_volume"]}
    assert _size(seen.database) == int(volumes["agentic_ai"]["database_size_bytes"])
