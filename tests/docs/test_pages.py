"""Every code block of the documentation runs, and shows what the page shows."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from psycopg.conninfo import conninfo_to_dict

from agentpg.agents.standin import StandIn
from agentpg.db import Database, connect
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.account import choose_account
from agentpg.embedded.binaries import find_binaries
from agentpg.schema import migrate
from tests.cable import Cable
from tests.desk.backup.archived_server import DEBIAN
from tests.desk.monitor.quarrel import quarrel
from tests.desk.tune.busy import KEEPS_STATEMENTS, make_busy
from tests.docs.pages import DRAWN, Page, pages
from tests.docs.playing import Player
from tests.mail_standin import PASSWORD, USER, mail_server
from tests.pgbouncer import PROGRAM, pgbouncer
from tests.ready import ready
from tests.servers import FAST, PG_BIN, OwnServers, Reaper, remove_server
from tests.small_disk import fill_up, small_disk
from tests.storage import Storage

pytestmark = pytest.mark.one_server

# Run by tests of their own: tests/guide, and the benchmarks' small form.
_ELSEWHERE = ("docs/guide/operations.", "benchmarks/")


_FIXTURES = {
    "nothing": "with_nothing",
    "a database": "with_database",
    "an empty database": "with_empty_database",
    "an existing server": "with_server",
    "another server": "with_other_server",
    "pgBackRest": "with_pgbackrest",
    "a model": "with_model",
    "a pooler": "with_pooler",
    "a server with TLS": "with_tls",
    "a server of its own with TLS": "with_own_tls",
    "a bucket": "with_bucket",
    "the program age": "with_age",
    "a mail server": "with_mail_server",
    "a full disk": "with_full_disk",
    "a slow server": "with_slow_server",
    "a busy database": "with_busy_database",
    "a stuck queue": "with_stuck_queue",
}


def _is_played(page: Page) -> bool:
    if page.name.startswith(_ELSEWHERE) or all(b.language in DRAWN for b in page.blocks()):
        return False
    twin = page.twin
    return twin is None or not page.does_what(twin)


@pytest.fixture(scope="session")
def agentpg_program() -> Iterator[Path]:
    """A folder with `agentpg` in it, which starts sooner than the real one."""
    with tempfile.TemporaryDirectory(prefix="agentpg-ready-") as folder, ready(Path(folder)) as it:
        yield it.programs


@pytest.fixture
def environment(tmp_path: Path, reaper: Reaper, agentpg_program: Path) -> Iterator[dict[str, str]]:
    """A reader's environment: the programs, and a home of the page's own."""
    home = tmp_path / "home"
    reaper.watch(home)
    programs = (agentpg_program, Path(sys.executable).parent, find_binaries(PG_BIN).folder)
    variables = {
        **os.environ,
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "AGENTPG_HOME": str(home),
        "AGENTPG_PG_BIN": PG_BIN,
        "COLUMNS": "80",
        "PAGER": "cat",
    }
    yield variables
    remove_server(home)


@pytest.fixture
def with_nothing() -> dict[str, str]:
    """No database: the page makes one."""
    return {}


@pytest.fixture
def with_database(database: Database) -> dict[str, str]:
    """A fresh database with the schema, as libpq's variables name it."""
    return _libpq_variables(database.dsn)


@pytest.fixture
def with_empty_database(empty_database: Database) -> dict[str, str]:
    """A fresh database without the schema."""
    return _libpq_variables(empty_database.dsn)


@pytest.fixture
def with_server(own_server: OwnServers, tmp_path: Path) -> dict[str, str]:
    """A server that has nothing of agentpg's. Its name is db.example, as on the pages."""
    said = _foreign_server(own_server)
    known = Path(said["passfile"]).read_text(encoding="utf-8")
    [password] = set(re.findall(r":postgres:(.+)$", known, re.MULTILINE))
    passwords = tmp_path / "pgpass"
    passwords.touch(mode=0o600)
    passwords.write_text(f"db.example:*:*:postgres:{password}\n", encoding="utf-8")
    return {"PGHOSTADDR": "127.0.0.1", "PGPORT": said["port"], "PGPASSFILE": str(passwords)}


@pytest.fixture
def with_other_server(own_server: OwnServers, tmp_path: Path) -> dict[str, str]:
    """Another one, which is the service db2, beside the reader's own."""
    services = tmp_path / "pg_service.conf"
    lines = [f"{name}={value}" for name, value in _foreign_server(own_server).items()]
    services.write_text("\n".join(["[db2]", *lines, ""]), encoding="utf-8")
    return {"PGSERVICEFILE": str(services)}


def _foreign_server(own_server: OwnServers, pg_bin: str = PG_BIN) -> dict[str, str]:
    """A server without database and role of ours; how its superuser reaches it."""
    server = own_server(pg_bin=pg_bin)
    server.start()
    dsn = server.dsn("postgres", "postgres")
    with connect(Database(dsn)) as connection:
        connection.execute("DROP DATABASE agentic_ai")
        connection.execute("DROP ROLE admin")
    return {name: str(value) for name, value in conninfo_to_dict(dsn).items()}


@pytest.fixture
def with_pgbackrest(reaper: Reaper) -> Iterator[dict[str, str]]:
    """The program, a PostgreSQL that Debian's version of it knows, and a home that the server's
    account gets to."""
    if shutil.which("pgbackrest") is None or not (DEBIAN / "postgres").is_file():
        pytest.skip("pgBackRest or PostgreSQL 15 is not installed")
    with tempfile.TemporaryDirectory(prefix="agentpg-page-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        reaper.watch(home)
        yield {"AGENTPG_PG_BIN": str(DEBIAN), "AGENTPG_HOME": str(home)}
        remove_server(home)


@pytest.fixture
def with_tls(reaper: Reaper) -> Iterator[dict[str, str]]:
    """A private server of a PostgreSQL that is built with TLS, which is Debian's."""
    if not (DEBIAN / "postgres").is_file():
        pytest.skip("PostgreSQL 15 is not installed")
    with tempfile.TemporaryDirectory(prefix="agentpg-page-") as folder:
        home = Path(folder) / "home"
        reaper.watch(home)
        EmbeddedServer(home, str(DEBIAN), options=FAST).start()
        yield {"AGENTPG_PG_BIN": str(DEBIAN), "AGENTPG_HOME": str(home)}
        remove_server(home)


@pytest.fixture
def with_own_tls(own_server: OwnServers, tmp_path: Path) -> dict[str, str]:
    """Debian's server with nothing of agentpg's, on this machine."""
    if not (DEBIAN / "postgres").is_file():
        pytest.skip("PostgreSQL 15 is not installed")
    said = _foreign_server(own_server, str(DEBIAN))
    known = Path(said["passfile"]).read_text(encoding="utf-8")
    [password] = set(re.findall(r":postgres:(.+)$", known, re.MULTILINE))
    passwords = tmp_path / "pgpass"
    passwords.touch(mode=0o600)
    passwords.write_text(f"localhost:*:*:postgres:{password}\n", encoding="utf-8")
    return {"PGPORT": said["port"], "PGPASSFILE": str(passwords), "AGENTPG_PG_BIN": str(DEBIAN)}


@pytest.fixture
def with_pooler(database: Database) -> Iterator[dict[str, str]]:
    """A fresh database behind PgBouncer, whose name is pooler.example, as on the page."""
    if PROGRAM is None:
        pytest.skip("PgBouncer is not installed")
    with pgbouncer(database) as pooler:
        yield {"PGHOSTADDR": "127.0.0.1", "PGPORT": str(pooler.port)}


@pytest.fixture
def with_model() -> Iterator[dict[str, str]]:
    """A server that speaks the protocols of OpenAI and Anthropic."""
    with StandIn() as standin:
        yield {
            "OPENAI_BASE_URL": standin.url,
            "OPENAI_API_KEY": "sk-of-the-page",
            "ANTHROPIC_BASE_URL": standin.anthropic_url,
            "ANTHROPIC_API_KEY": "sk-ant-of-the-page",
        }


@pytest.fixture
def with_bucket(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A storage at https://storage.example:9000, as on the page, with the bucket `backups`."""
    authority = trustme.CA()
    certificate = authority.issue_cert("storage.example", "127.0.0.1")
    paths = {name: tmp_path / f"storage-{name}.pem" for name in ("ca", "server", "key")}
    authority.cert_pem.write_to_path(str(paths["ca"]))
    certificate.cert_chain_pems[0].write_to_path(str(paths["server"]))
    certificate.private_key_pem.write_to_path(str(paths["key"]))
    storage = Storage(tmp_path, certificate=paths["server"], key=paths["key"])
    storage.client(verify=str(paths["ca"])).create_bucket(Bucket="backups")
    proxy = Cable(storage.port, tunnel=True)
    yield {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}", "AWS_CA_BUNDLE": str(paths["ca"])}
    proxy.close()
    storage.close()


@pytest.fixture
def with_mail_server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A server that takes the reader's mail, which the settings name already."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    trusted, chain, key = (tmp_path / f"mail-{name}.pem" for name in ("ca", "server", "key"))
    authority.cert_pem.write_to_path(str(trusted))
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    certificate.private_key_pem.write_to_path(str(key))
    with mail_server(tmp_path / "mails", chain, key) as server:
        yield {
            "AGENTPG_NOTIFY_SMTP_HOST": "localhost",
            "AGENTPG_NOTIFY_SMTP_PORT": str(server.starttls),
            "AGENTPG_NOTIFY_SMTP_CA_FILE": str(trusted),
            "AGENTPG_NOTIFY_SMTP_USER": USER,
            "AGENTPG_NOTIFY_SMTP_PASSWORD": PASSWORD,
        }


@pytest.fixture
def with_age() -> dict[str, str]:
    """The program that reads sealed files too."""
    if shutil.which("age") is None:
        pytest.skip("the program age is not installed")
    return {}


@pytest.fixture
def with_busy_database(own_server: OwnServers) -> dict[str, str]:
    """Orders and buyers on a server that keeps what runs, as the role that owns them."""
    server = own_server(options=KEEPS_STATEMENTS)
    server.start()
    make_busy(server)
    return _libpq_variables(server.dsn())


@pytest.fixture
def with_stuck_queue(database: Database) -> dict[str, str]:
    """Tasks that nobody runs, an agent that was forgotten, and a schedule that does not fire."""
    with connect(database) as connection:
        connection.execute(_STUCK)
    return _libpq_variables(database.dsn)


_STUCK = b"""
INSERT INTO agentic_ai.tasks (agent_name, task_type, created_at, run_at)
SELECT 'Mailer', 'send', now() - interval '20 min', now() - interval '20 min'
FROM generate_series(1, 3);
INSERT INTO agentic_ai.tasks (agent_name, task_type) VALUES ('Billing', 'invoice');
INSERT INTO agentic_ai.paused_agents (agent_name, paused_at)
VALUES ('Billing', now() - interval '2 d');
INSERT INTO agentic_ai.schedules (name, agent_name, task_type, cron, next_at)
VALUES ('nightly-mail', 'Mailer', 'send', '@daily', now() - interval '30 min')
"""


@pytest.fixture
def with_full_disk(reaper: Reaper) -> Iterator[dict[str, str]]:
    """The private server on a disk that is filled by a slot that nobody reads, and by old logs."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    with small_disk(320 * 1024**2) as disk:
        home = disk / "home"
        reaper.watch(home)
        small = {"max_wal_size": "48MB", "min_wal_size": "32MB"}
        small["log_filename"] = "postgresql-%Y-%m-%d.log"
        server = EmbeddedServer(home, PG_BIN, options={**FAST, **small})
        server.start()
        _fill_disk(server, disk, home)
        yield {"AGENTPG_HOME": str(home)}
        remove_server(home)


@pytest.fixture
def with_slow_server(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The private server, on which a worker's session holds up a handler's own."""
    server = EmbeddedServer(Path(environment["AGENTPG_HOME"]), PG_BIN, options=FAST)
    server.start()
    database = Database(server.dsn(), "agentic_ai")
    migrate(database)
    with quarrel(database):
        # Nobody wants to wait for the waiting to be long.
        yield {"AGENTPG_SLOW_WAIT": "1ms"}


def _fill_disk(server: EmbeddedServer, disk: Path, home: Path) -> None:
    migrate(Database(server.dsn()))
    with connect(Database(server.dsn("postgres"))) as connection:
        connection.execute(
            b"INSERT INTO agentic_ai.tasks (id, agent_name, task_type, status, created_at) "
            b"SELECT gen_random_uuid(), 'Old', 'old', 'pending', now() "
            b"FROM generate_series(1, 5000)"
        )
        connection.execute(b"DELETE FROM agentic_ai.tasks")
        connection.execute(b"SELECT pg_create_physical_replication_slot('old_replica', true)")
        for _ in range(6):
            connection.execute(b"SELECT pg_logical_emit_message(true, 't', 'x')")
            connection.execute(b"SELECT pg_switch_wal()")
    for day in ("01", "02", "03"):
        log = home / "postgresql" / "log" / f"postgresql-2026-01-{day}.log"
        log.write_bytes(b"x" * 2 * 1024**2)
        choose_account(server.status().data).own(log)
        os.utime(log, (0, 0))
    fill_up(disk, 20 * 1024**2)


@pytest.mark.parametrize("page", [p for p in pages() if _is_played(p)], ids=lambda page: page.name)
def test_every_block_runs(
    page: Page,
    tmp_path: Path,
    environment: dict[str, str],
    request: pytest.FixtureRequest,
) -> None:
    for what in page.begins_with.split(", "):
        environment |= request.getfixturevalue(_FIXTURES[what])
    Player(page, tmp_path, environment).play()


def test_blocks_that_do_not_run_are_few() -> None:
    # A page and its Korean twin have the same blocks.
    english = [page for page in pages() if ".ko" not in page.name]
    idle = [(p.name, b.line) for p in english for b in p.blocks() if "not run" in b]
    assert len(idle) <= 14, idle


def _libpq_variables(dsn: str) -> dict[str, str]:
    said = conninfo_to_dict(dsn)
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "dbname": "PGDATABASE",
        "passfile": "PGPASSFILE",
    }
    assert set(said) <= set(names), set(said)
    return {names[key]: str(value) for key, value in said.items()}
