"""The operations guide's queries and commands do what they say, as they are printed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.storage.folder import open_folder
from agentpg.desk.backup.storage.records import key_of
from agentpg.embedded import EmbeddedServer
from agentpg.schema import migrate
from tests.guide.blocks import blocks
from tests.servers import PG_BIN, SCHEMA, Mould, OwnServers, Reaper

pytestmark = pytest.mark.xdist_group("guide")

SQL = blocks("sql")
BASH = blocks("bash")

_TABLES = ("tasks", "agent_executions", "llm_requests", "workers", "users", "schema_migrations")

# 50,000 tasks that have ended, of which 2 % are ReportAgent's; 30 failed and 5 pending.
_ROWS = """
INSERT INTO tasks (agent_name, task_type, status, created_at, error_message)
SELECT CASE WHEN n % 50 = 0 THEN 'ReportAgent' ELSE 'Agent' || n % 20 END, 'work',
       CASE WHEN n <= 30 THEN 'failed' ELSE 'completed' END,
       now() - n * interval '1 minute', CASE WHEN n <= 30 THEN 'reason ' || n END
FROM generate_series(1, 50000) AS n;
INSERT INTO tasks (id, agent_name, task_type, status, created_at)
SELECT uuid7(), 'WaitingAgent', 'type ' || n, 'pending', now() - n * interval '1 hour'
FROM generate_series(1, 5) AS n;
INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, execution_start,
    execution_end, duration_seconds, outcome, llm_calls, llm_total_tokens)
SELECT gen_random_uuid(), 1, CASE WHEN n <= 4 THEN 'ReportAgent' ELSE 'SchemaAgent' END, 'work',
       CASE WHEN n % 2 = 0 THEN now() ELSE now() - interval '9 days' END, now(), n, 'completed',
       1, n * 100
FROM generate_series(1, 8) AS n;
INSERT INTO users (username) VALUES ('김영희'), ('admin');
"""


@dataclass(frozen=True, slots=True)
class Console:
    """The guide's reader: a shell with the server's own programs, as the role admin."""

    server: EmbeddedServer
    home: Path

    def bash(self, text: str, folder: Path) -> str:
        """Run a command of the guide with only the host and the port changed."""
        port = self.server.status().port
        command = text.replace("-h localhost", f"-h 127.0.0.1 -p {port}")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "ERROR" not in done.stderr
        return done.stdout

    def psql(self, text: str) -> list[list[str]]:
        """Run SQL of the guide, and give the rows as text."""
        done = subprocess.run(
            ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-A", "-t", "-q", "-F", "\t", "-f", "-",
             "-h", "127.0.0.1", "-p", str(self.server.status().port), "-U", "admin",
             "-d", "agentic_ai"],
            env=self._environment(),
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    def database(self, role: str = "admin", name: str = "agentic_ai") -> Database:
        """The same server for the test itself."""
        return Database(self.server.dsn(role, name), SCHEMA)

    def _environment(self) -> dict[str, str]:
        programs = self.server.tool("psql").parent
        return {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PGPASSFILE": str(self.home / "pgpass"),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
        }


@pytest.fixture(scope="module")
def console(
    tmp_path_factory: pytest.TempPathFactory, reaper: Reaper, mould: Mould
) -> Iterator[Console]:
    """A server as the guide's, with enough rows to be believed."""
    home = tmp_path_factory.mktemp("guide") / "home"
    servers = OwnServers(home, reaper, mould)
    server = servers(home=home)
    server.start()
    console = Console(server, home)
    migrate(console.database())
    with connect(console.database()) as connection:
        connection.execute(f"SET search_path = {SCHEMA}")
        connection.execute(_ROWS.encode())
    console.psql(SQL["3. VACUUM 실행"].text)
    yield console
    servers.close()


def test_every_block_of_the_guide_is_run_here() -> None:
    """A new block needs a test; the CREATE TABLE is the schema's."""
    assert list(SQL) == [
        "1. tasks 테이블",
        "작업 상태 조회",
        "Agent 성능 통계",
        "실패한 작업 조회",
        "2. 쿼리 성능 분석",
        "3. VACUUM 실행",
        "활성 연결 수 확인",
        "데이터베이스 크기 확인",
        "테이블 크기 확인",
    ]
    assert list(BASH) == ["백업 생성", "백업 복구"]


def test_the_table_has_the_guide_s_columns(console: Console) -> None:
    printed = re.findall(
        r"^    (\w+) ([A-Z ]+(?:\(\d+\))?)", SQL["1. tasks 테이블"].text, re.MULTILINE
    )
    wanted = {name: kind.removesuffix(" PRIMARY KEY").strip().lower() for name, kind in printed}
    wanted = {n: k.replace("varchar", "character varying") for n, k in wanted.items()}
    rows = console.psql(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 'tasks'::regclass AND attnum > 0"
    )
    has = {row[0]: row[1] for row in rows}
    assert len(wanted) == 5
    assert wanted.items() <= has.items()
    assert has["result"] == "jsonb"


def test_pending_tasks(console: Console) -> None:
    rows = console.psql(SQL["작업 상태 조회"].text)
    assert [row[:3] for row in rows] == [
        ["WaitingAgent", f"type {n}", "pending"] for n in range(1, 6)
    ]


def test_statistics_of_seven_days(console: Console) -> None:
    rows = {row[0]: row[1:] for row in console.psql(SQL["Agent 성능 통계"].text)}
    assert rows == {"ReportAgent": ["2", "3", "600"], "SchemaAgent": ["2", "7", "1400"]}


def test_failed_tasks(console: Console) -> None:
    rows = console.psql(SQL["실패한 작업 조회"].text)
    assert [row[3] for row in rows] == [f"reason {n}" for n in range(1, 11)]
    assert all(re.fullmatch(r"[0-9a-f-]{36}", row[0]) for row in rows)


def test_the_plan_by_agent_uses_an_index(console: Console) -> None:
    plan = "\n".join(row[0] for row in console.psql(SQL["2. 쿼리 성능 분석"].text))
    assert "tasks_agent_name_idx" in plan
    assert "Seq Scan" not in plan
    assert re.search(r"actual time=.* rows=1000(\.00)? ", plan)


def test_the_promised_indexes_are_there(console: Console) -> None:
    rows = console.psql(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'agentic_ai' AND tablename = 'tasks'"
    )
    for column in ("agent_name", "status", "created_at"):
        assert any(re.search(rf"USING btree \({column}\b", row[0]) for row in rows), column


def test_vacuum(console: Console) -> None:
    assert console.psql(SQL["3. VACUUM 실행"].text) == []


def test_connections_and_sizes(console: Console) -> None:
    [[connections]] = console.psql(SQL["활성 연결 수 확인"].text)
    assert int(connections) >= 1
    [[size]] = console.psql(SQL["데이터베이스 크기 확인"].text)
    assert re.fullmatch(r"\d+ MB", size)
    tables = console.psql(SQL["테이블 크기 확인"].text)
    assert tables[0][:2] == ["agentic_ai", "tasks"]
    assert {row[1] for row in tables} >= set(_TABLES)
    assert all(row[2] for row in tables)


def test_a_backup_is_restored(console: Console, tmp_path: Path) -> None:
    """Into a fresh database in the place of the old one."""
    console.bash(BASH["백업 생성"].text, tmp_path)
    [dump] = tmp_path.iterdir()
    assert re.fullmatch(r"backup_\d{8}\.sql", dump.name)
    before = counts(console)
    with connect(console.database("postgres", "postgres")) as admin:
        admin.execute("ALTER DATABASE agentic_ai RENAME TO before")
        admin.execute("CREATE DATABASE agentic_ai OWNER admin TEMPLATE template0")
    restore = BASH["백업 복구"].text
    console.bash(restore.replace("backup_20240101.sql", dump.name), tmp_path)
    assert counts(console) == before
    assert before["tasks"] == 50_005
    assert before["users"] == 2
    migrate(console.database())
    console.psql(SQL["3. VACUUM 실행"].text)
    test_pending_tasks(console)
    test_failed_tasks(console)
    test_the_plan_by_agent_uses_an_index(console)


def test_our_own_plain_backup_is_restored_by_the_same_line(
    console: Console, tmp_path: Path
) -> None:
    repository = open_folder(tmp_path / "repository")
    options = CreateOptions(kind="sql", stages=tmp_path / "stages", pg_bin=PG_BIN)
    backup = create_backup(console.database(), repository, options, lambda _: None)
    [file] = [file.path for file in backup.files if file.path.startswith("data/")]
    path = repository.folder(key_of(backup.name, file))
    assert path is not None
    assert re.fullmatch(r"backup_\d{8}\.sql", path.name)
    before = counts(console)
    with connect(console.database("postgres", "postgres")) as admin:
        admin.execute("ALTER DATABASE agentic_ai RENAME TO before_ours")
        admin.execute("CREATE DATABASE agentic_ai OWNER admin TEMPLATE template0")
    restore = BASH["백업 복구"].text.replace("backup_20240101.sql", path.name)
    console.bash(restore, path.parent)
    assert counts(console) == before


def counts(console: Console) -> dict[str, int]:
    """The number of rows of each table, without help of the search path."""
    with connect(console.database()) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {SCHEMA}.{table}".encode()).fetchall()[
                0
            ][0]
            for table in _TABLES
        }
