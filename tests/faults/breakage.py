"""What breaks around a database: its machine, files, clock, programs, and what stands around it.

Written like `mistakes`, before it was known what the doctor says of each.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from agentpg import Client
from agentpg.db import Database
from agentpg.embedded.account import choose_account
from tests.faults.connection import Door
from tests.faults.fault import Fault, Patient
from tests.faults.installation import Installation
from tests.faults.making import is_up, restart, sql, start_after
from tests.pgbouncer import pgbouncer
from tests.small_disk import fill_up, small_disk
from tests.waiting import eventually

_MIB = 1024**2
_ROOT = Path(__file__).parents[2]

# What a cluster's counters may reach: 2^31 less the margin in which nothing is written any more.
_NEARLY_WRAPPED = 2_000_000_000
_TRANSACTIONS_A_FILE, _MULTIXACTS_A_FILE = 32 * 32_768, 32 * 2_048
_FILE_BYTES = 32 * 8_192

# A /dev/shm of its own; what lies there otherwise is put aside, and back.
_SMALL = """
disk=$1; shift
mount --bind "$disk" "$0"
mount -t tmpfs -o size=1536k,mode=1777 tmpfs /dev/shm
mkdir -p "$disk"
mount --bind "$0" "$disk"
exec "$@"
"""

_FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


@contextmanager
def _mode(path: Path, mode: int) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


@contextmanager
def _open_data(here: Installation) -> Iterator[Patient]:
    with _mode(here.server.status().data, 0o755):
        yield here.as_it_is()


@contextmanager
def _open_passwords(here: Installation) -> Iterator[Patient]:
    with _mode(here.home / "pgpass", 0o644):
        yield here.as_it_is()


@contextmanager
def _full_log(here: Installation) -> Iterator[Patient]:
    with small_disk(4 * _MIB) as disk:
        folder = disk / "log"
        folder.mkdir()
        choose_account(here.server.status().data).own(folder)
        with _logging_to(here, folder):
            here.run("SELECT pg_rotate_logfile()")
            eventually(lambda: list(folder.iterdir()))
            fill_up(disk)
            yield here.as_it_is()


@contextmanager
def _logging_to(here: Installation, folder: Path) -> Iterator[None]:
    here.run(f"ALTER SYSTEM SET log_directory = '{folder}'", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        here.run("ALTER SYSTEM RESET log_directory", "SELECT pg_reload_conf()")


@contextmanager
def _late_clock(here: Installation) -> Iterator[Patient]:
    here.server.stop()
    start_after(here, within=("env", f"LD_PRELOAD={_FAKETIME}", "FAKETIME=-2h"))
    yield here.as_it_is()


@contextmanager
def old_transactions(here: Installation) -> Iterator[Patient]:
    """Transactions were counted on nearly to the end, and none was frozen."""
    restart(here, autovacuum_freeze_max_age=str(_NEARLY_WRAPPED))
    _count_on(here, "pg_xact", _TRANSACTIONS_A_FILE, "-x", "{}")
    yield here.as_it_is()


@contextmanager
def old_multixacts(here: Installation) -> Iterator[Patient]:
    """The same of the locks that several transactions share."""
    restart(here, autovacuum_multixact_freeze_max_age=str(_NEARLY_WRAPPED))
    _count_on(here, "pg_multixact/offsets", _MULTIXACTS_A_FILE, "-m", "{},1")
    yield here.as_it_is()


def _count_on(here: Installation, folder: str, a_file: int, option: str, value: str) -> None:
    here.server.stop()
    # Just before the age at which autovacuum would come by itself, at the start of a file.
    number = (_NEARLY_WRAPPED - _NEARLY_WRAPPED // 100) // a_file
    data = here.server.status().data
    account = choose_account(data)
    path = data / folder / f"{number:04X}"
    path.write_bytes(bytes(_FILE_BYTES))
    account.own(path)
    program = here.server.tool("pg_resetwal")
    done = account.run((program, option, value.format(number * a_file + 5), data))
    assert done.returncode == 0, done.stderr
    here.server.start()


@contextmanager
def _small_shared_memory(here: Installation) -> Iterator[Patient]:
    """Queries in parallel fail, since there is no room for what they share."""
    here.run(
        "CREATE TABLE orders (n int PRIMARY KEY)",
        "INSERT INTO orders SELECT generate_series(1, 200000)",
        "ANALYZE orders",
    )
    here.server.stop()
    with tempfile.TemporaryDirectory(dir="/run") as aside:
        start_after(here, "unshare", "--mount", "sh", "-ec", _SMALL, aside, str(here.disk))
    for _ in range(5):
        with suppress(psycopg.Error), psycopg.connect(here.server.dsn("postgres")) as connection:
            connection.execute(
                "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;"
                " SET min_parallel_table_scan_size = 0; SET work_mem = '64MB';"
                " SET enable_mergejoin = off; SET enable_nestloop = off"
            )
            connection.execute("SELECT count(*) FROM orders AS a JOIN orders AS b ON a.n = b.n + 1")
    yield here.as_it_is()


@contextmanager
def _flipped(here: Installation) -> Iterator[Patient]:
    here.run("CREATE TABLE orders AS SELECT n FROM generate_series(1, 1000) AS n", "CHECKPOINT")
    [(name,)] = here.ask("SELECT pg_relation_filepath('orders')")
    here.server.stop()
    with (here.server.status().data / name).open("r+b") as file:
        file.seek(8_000)
        file.write(b"\xff")
    here.server.start()
    for _ in range(3):
        with suppress(psycopg.Error):
            here.run("SELECT count(*) FROM orders")
    yield here.as_it_is()


@contextmanager
def _killed_session(here: Installation) -> Iterator[Patient]:
    """As the kernel does it for want of memory; the server ends all sessions, and recovers."""
    dsn = here.server.dsn("postgres")
    with suppress(psycopg.Error), psycopg.connect(dsn) as witness, psycopg.connect(dsn) as victim:
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        # Until the server ends this one as well.
        eventually(lambda: witness.execute("SELECT NULL").fetchone() == ())
    eventually(lambda: is_up(here), message="the server is back")
    yield here.as_it_is()


@contextmanager
def _failing_archive(here: Installation) -> Iterator[Patient]:
    here.run("ALTER SYSTEM SET archive_command = 'false'", "SELECT pg_reload_conf()")
    here.write_wal(2)
    eventually(lambda: here.ask("SELECT failed_count > 0 FROM pg_stat_archiver") == [(True,)])
    yield here.as_it_is()


@contextmanager
def _no_repository(here: Installation) -> Iterator[Patient]:
    root = here.watched.repository.root
    away = root.rename(root.with_name("away"))
    try:
        yield here.as_it_is()
    finally:
        away.rename(root)


@contextmanager
def _lonely_pooler(here: Installation) -> Iterator[Patient]:
    with pgbouncer(Database(here.server.dsn(), "agentic_ai"), server_connect_timeout=2) as pool:
        here.server.stop()
        yield pool.database, here.settings(home=str(here.disk / "elsewhere"))


@contextmanager
def _worker(here: Installation, app: str, *said: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "agentpg", "worker", "--app", f"tests.apps.{app}:app", *said],
        cwd=_ROOT,
        env={**os.environ, "AGENTPG_DSN": here.server.dsn(), "AGENTPG_LEASE": "1s"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _nobody_for_one(here: Installation) -> Iterator[Patient]:
    """A worker runs and is well; one agent's tasks are none of its."""
    here.run(
        "INSERT INTO agentic_ai.tasks (agent_name, task_type, created_at, run_at)"
        " VALUES ('Billing', 'invoice', now() - interval '20 min', now() - interval '20 min')"
    )
    with _worker(here, "plain"):
        eventually(lambda: here.ask("SELECT 1 FROM agentic_ai.workers WHERE ended_at IS NULL"))
        yield here.as_it_is()


@contextmanager
def _killed_again_and_again(here: Installation) -> Iterator[Patient]:
    """Somebody starts the worker each time that it is killed with its task."""
    with Client(Database(here.server.dsn(), "agentic_ai")) as client:
        client.submit("Plain", "nap", {"seconds": 600})
    for number in range(1, 5):
        with _worker(here, "plain") as process:
            attempt = f"SELECT 1 FROM agentic_ai.agent_executions WHERE attempt = {number}"
            eventually(lambda attempt=attempt: here.ask(attempt))  # type: ignore[misc]
            process.kill()
    yield here.as_it_is()


@contextmanager
def _expired(door: Door) -> Iterator[Patient]:
    door.faulty.run("CREATE ROLE late LOGIN PASSWORD 'right' VALID UNTIL '2020-01-01'")
    hba = door.faulty.data / "pg_hba.conf"
    before = hba.read_text(encoding="utf-8")
    door.faulty.let_in(f"host all late 127.0.0.1/32 scram-sha-256\n{before}")
    yield door.at(door.faulty.dsn(user="late", password="right"), door.faulty.data.parents[1])
    hba.write_text(before, encoding="utf-8")
    door.faulty.reload()


AT_THE_DOOR: tuple[Fault[Door], ...] = (
    Fault((), "a password is out of date", _expired, "VALID UNTIL 2020", ("expired|valid until",)),
)

FAULTS: tuple[Fault[Installation], ...] = (
    Fault((), "others may look into the data folder", _open_data,
          "chmod 755", ("permission|mode|others|0?755|enter|open",)),
    Fault((), "others may read the passwords", _open_passwords,
          "chmod 644 pgpass", ("pgpass|password",)),
    Fault((), "the log's disk is full", _full_log, "a small disk, filled", ("log",)),
    Fault((), "the server's clock is two hours late", _late_clock, "faketime -2h", ("clock",),
          alone=True),
    Fault((), "transactions are nearly used up", old_transactions, "pg_resetwal -x",
          ("transaction|wraparound",), alone=True),
    Fault((), "shared row locks are nearly used up", old_multixacts, "pg_resetwal -m",
          ("multixact",), alone=True),
    Fault((), "there is no room for what parallel queries share", _small_shared_memory,
          "/dev/shm of 1.5 MB", ("shared memory|/dev/shm",), alone=True),
    Fault((), "a byte of a table's file has changed", _flipped,
          "one byte, and reads", ("checksum|damage|corrupt",), alone=True),
    Fault(("S17", "H02"), "a session's process is killed, as for want of memory", _killed_session,
          "kill -9", alone=True),
    Fault((), "WAL is not archived, there is room", _failing_archive,
          "archive_command = false", ("archiv",), alone=True),
    Fault((), "the place of the backups is gone", _no_repository, "renamed", ("repository",)),
    Fault((), "a pooler has lost its server", _lonely_pooler, "a real PgBouncer",
          ("pooler|pgbouncer|proxy",), alone=True),
    Fault((), "no worker knows one of the agents", _nobody_for_one,
          "a real worker for others", ("Billing", "worker"), alone=True),
    Fault((), "a worker dies again and again", _killed_again_and_again,
          "real workers, kill -9 four times", ("worker", "die|kill|lost|crash"),
          alone=True),
    Fault((), "a schedule fires for an agent that is paused", sql(
        "INSERT INTO agentic_ai.paused_agents (agent_name, paused_at)"
        " VALUES ('Billing', now() - interval '3 d')",
        "INSERT INTO agentic_ai.schedules (name, agent_name, task_type, cron, next_at)"
        " VALUES ('hourly', 'Billing', 'invoice', '@hourly', now() + interval '5 min')",
        "INSERT INTO agentic_ai.tasks (agent_name, task_type, created_at, run_at)"
        " SELECT 'Billing', 'invoice', at, at"
        " FROM (SELECT now() - n * interval '1 h' AS at FROM generate_series(1, 60) AS n) AS o",
        undone=("DELETE FROM agentic_ai.schedules", "DELETE FROM agentic_ai.paused_agents",
                "DELETE FROM agentic_ai.tasks"),
    ), "60 ticks, and a pause of 3 days", ("Billing", "pause")),
)  # fmt: skip
