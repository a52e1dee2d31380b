"""The server as a whole: each cause is made on a real server, is named, and goes away again."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from agentpg.db import Database, ServerError, connect
from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.server import facts as facts_module
from agentpg.desk.doctor.server.facts import Facts, Machine, Server
from agentpg.desk.doctor.server.findings import CHECKS, find
from agentpg.desk.doctor.server.looking import look_at_server
from agentpg.desk.doctor.server.machine import look_at_machine
from agentpg.desk.doctor.server.policy import Policy
from agentpg.desk.doctor.server.releases import RELEASES
from agentpg.desk.finding import Finding
from agentpg.desk.monitor.samples import keep_sample
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.folder import Folder, known_passwords
from agentpg.errors import AgentpgError
from agentpg.schema import migrate
from tests.servers import SCHEMA, Mould, OwnServers
from tests.waiting import eventually

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)

SERVER = Server(
    version_number=180006,
    version="18.6",
    role="monitor",
    database="agentic_ai",
    made_at=NOW - timedelta(days=90),
    started_at=NOW - timedelta(days=9),
    asked_at=NOW,
    in_recovery=False,
    timeline=1,
    sees_all=True,
    checkpointer_started_at=NOW - timedelta(days=9),
    counted_since=[NOW - timedelta(days=80)] * 3,
    usable=97,
    synchronous_names="",
)

MACHINE = Machine(
    processors=4,
    load=0.4,
    memory_bytes=8 * 1024**3,
    available_bytes=6 * 1024**3,
    kills=0,
    kills_in_all=0,
)


def found_in(database: Database, policy: Policy | None = None) -> dict[str, list[Finding]]:
    """What the room says, by code."""
    return by_code(find(look_at_server(database), policy or Policy()))


def by_code(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """The same, those that are not ok."""
    said: dict[str, list[Finding]] = {check.code: [] for check in CHECKS}
    for finding in findings:
        if finding.level != "ok":
            said[finding.code].append(finding)
    return said


def level_of(database: Database, code: str, policy: Policy | None = None) -> str:
    """The level of the first finding of this code."""
    found = found_in(database, policy)[code]
    return found[0].level if found else "ok"


@pytest.fixture
def watched(database: Database, superuser_dsn: Callable[..., str]) -> Database:
    """A fresh database as who sees all of it."""
    return Database(superuser_dsn(database.name()), database.schema)


@contextmanager
def sessions(dsn: str, number: int) -> Iterator[None]:
    """Within it, so many sessions are open."""
    with ExitStack() as opened:
        for _ in range(number):
            opened.enter_context(connect(Database(dsn), "greedy"))
        yield


def test_a_role_and_a_database_at_their_limits_are_named(
    watched: Database, superuser_dsn: Callable[..., str]
) -> None:
    role = f"narrow_{secrets.token_hex(4)}"
    name = watched.name()
    with connect(Database(superuser_dsn())) as administrator:
        administrator.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'n' CONNECTION LIMIT 4".encode())
        administrator.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 9".encode())
        try:
            dsn = f"{watched.dsn} user={role} password=n"
            with sessions(dsn, 4):
                said = found_in(watched)["H01"]
                assert [(one.level, one.subject) for one in said] == [("critical", role)]
                assert (said[0].evidence["sessions"], said[0].evidence["usable"]) == (4, 4)
            with sessions(watched.dsn, 7):
                said = found_in(watched)["H01"]
                # The look itself is one of them.
                assert [(one.level, one.subject) for one in said] == [("warning", name)]
            eventually(lambda: level_of(watched, "H01") == "ok")
        finally:
            administrator.execute(f"DROP ROLE {role}".encode())


_ROLLBACKS = """
DO $$
BEGIN
    FOR n IN 1..700 LOOP PERFORM n; COMMIT; PERFORM n; IF n % 2 = 0 THEN ROLLBACK; END IF; END LOOP;
END
$$
"""


def test_what_is_rolled_back_is_counted_since_a_sample(watched: Database) -> None:
    keep_sample(watched)
    with connect(watched) as connection:
        connection.execute("UPDATE samples SET taken_at = now() - interval '61 min'")
        connection.execute(_ROLLBACKS)
    said = eventually(lambda: found_in(watched)["H06"])
    assert (said[0].level, said[0].subject) == ("critical", watched.name())
    assert said[0].evidence["rollbacks"] >= 350
    assert said[0].evidence["span_seconds"] == pytest.approx(3660, abs=60)
    keep_sample(watched)
    with connect(watched) as connection:
        # Within the hour that is looked back to now, nothing was.
        connection.execute("UPDATE samples SET taken_at = now() - interval '61 min'"
                           " WHERE taken_at > now() - interval '1 min'")  # fmt: skip
    assert level_of(watched, "H06") == "ok"


def test_what_a_role_may_not_see_is_unknown_and_a_strange_database_is_looked_at(
    empty_database: Database, superuser_dsn: Callable[..., str]
) -> None:
    role = f"watcher_{secrets.token_hex(4)}"
    with connect(Database(superuser_dsn())) as administrator:
        administrator.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'w'".encode())
        administrator.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        try:
            database = Database(f"{empty_database.dsn} user={role} password=w", SCHEMA)
            facts = look_at_server(database)
        finally:
            administrator.execute(f"DROP ROLE {role}".encode())
    assert not facts.server.sees_all
    assert isinstance(facts.earlier, Unlooked)
    said = by_code(find(facts, Policy()))
    assert [one.level for one in said["H03"]] == ["unknown"]
    assert not [one for one in said["H01"] if one.level == "unknown"]


def test_crashes_and_connections_of_a_small_server(
    own_server: OwnServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts_module, "_NEW", timedelta())
    server = own_server(options={"max_connections": "12"})
    server.start()
    server.stop()
    server.start()
    database = Database(server.dsn("postgres"), SCHEMA)
    migrate(database)
    [clean] = found_in(database)["H02"]
    assert (clean.level, "started" in clean.message()) == ("info", True)
    with sessions(server.dsn("postgres"), 8):
        [full] = found_in(database)["H01"]
        assert (full.level, full.evidence["most"]) == ("critical", "postgres greedy")
    eventually(lambda: level_of(database, "H01") == "ok")
    _kill_one(database)
    with monkeypatch.context() as patched:
        patched.setattr(facts_module, "_YOUNGER", timedelta(milliseconds=100))
        [died] = found_in(database)["H02"]
    assert (died.level, died.message().startswith("a process of the server died")) == (
        "warning",
        True,
    )
    server.stop("immediate")
    server.start()
    [crashed] = found_in(database)["H02"]
    assert (crashed.level, "without having been shut down" in crashed.message()) == (
        "warning",
        True,
    )


def _kill_one(database: Database) -> None:
    """Kill the process of a session, as the kernel does, and wait until the server is back."""
    with connect(database) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)

    def is_back() -> bool:
        try:
            with connect(database) as again:
                return bool(again.execute("SELECT true").fetchone())
        except (AgentpgError, ServerError):
            return False

    eventually(is_back)


def test_a_standby_that_pauses_goes_and_takes_over(
    own_server: OwnServers, mould: Mould, tmp_path: Path
) -> None:
    primary, standby = _pair(own_server, mould, tmp_path)
    database = Database(primary.dsn("postgres"), SCHEMA)
    replica = Database(standby.dsn("postgres"), SCHEMA)
    soon = Policy(lag_warning=timedelta(milliseconds=1), lag_warning_bytes=1024)
    eventually(lambda: level_of(replica, "H04") == "ok", timeout=8, message="it streams")
    eventually(lambda: level_of(database, "H04", soon) == "ok", message="it has caught up")
    assert level_of(replica, "H03") == "info"
    with connect(replica) as connection:
        connection.execute("SELECT pg_wal_replay_pause()")
        with connect(database) as writer:
            writer.execute("CREATE TABLE t AS SELECT n FROM generate_series(1, 5000) AS n")
        [behind] = eventually(lambda: found_in(database, soon)["H04"])
        assert behind.subject == "standby one"
        [paused] = eventually(lambda: found_in(replica, soon)["H04"])
        assert "paused" in paused.message()
        connection.execute("SELECT pg_wal_replay_resume()")
    eventually(lambda: level_of(database, "H04", soon) == "ok")
    keep_sample(database)
    _let_confirm(database, '"standby one"')
    eventually(lambda: level_of(database, "H05") == "ok", message="it confirms commits")
    with connect(replica) as connection:
        connection.execute("SELECT pg_promote()")
    _is_gone(database)
    eventually(lambda: "promoted" in _role_of(replica), message="it was promoted")


def _let_confirm(database: Database, names: str) -> None:
    with connect(database) as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'".encode())
        connection.execute("SELECT pg_reload_conf()")


def _is_gone(database: Database) -> None:
    [nobody] = eventually(lambda: found_in(database)["H05"])
    assert (nobody.level, "each one waits for ever" in nobody.message()) == ("critical", True)
    _let_confirm(database, "")
    [missing] = eventually(
        lambda: [one for one in found_in(database)["H05"] if one.level == "warning"]
    )
    assert missing.subject == "standby one"


def _role_of(database: Database) -> str:
    return "".join(one.message() for one in found_in(database)["H03"])


def _pair(
    own_server: OwnServers, mould: Mould, tmp_path: Path
) -> tuple[EmbeddedServer, EmbeddedServer]:
    """A primary, and a standby that was made of the same data and streams from it."""
    options = {"wal_level": "replica", "hot_standby": "on"}
    primary = own_server(options=options)
    status = primary.start()
    password = known_passwords(Folder(status.data.parent.parent))["postgres"]
    home = tmp_path / "standby"
    # The same cluster as the first of the servers.
    mould.cast(home, 1)
    source = (
        f"host={status.socket_dir} port={status.port} user=postgres password={password}"
        " application_name='standby one'"
    )
    standby = own_server(
        home=home,
        options={**options, "primary_conninfo": source, "wal_receiver_status_interval": "1"},
    )
    signal_file = standby.status().data / "standby.signal"
    signal_file.touch()
    migrate(Database(primary.dsn(), SCHEMA))
    standby.start()
    return primary, standby


FACTS = Facts(
    server=SERVER,
    connections=Unlooked("not looked"),
    limits=(),
    standbys=(),
    receiving=None,
    counted=Unlooked("not looked"),
    earlier=None,
    machine=MACHINE,
)


@pytest.mark.without_server
@pytest.mark.parametrize(("ahead", "level"), [(-3.0, "ok"), (-7200.0, "warning"), (6.0, "warning")])
def test_a_clock_that_is_wrong_is_told(ahead: float, level: str) -> None:
    [found] = [
        one for one in find(replace(FACTS, ahead_seconds=ahead), Policy()) if one.code == "H11"
    ]
    assert found.level == level
    assert level == "ok" or ("ahead" in found.message()) == (ahead > 0)


@pytest.mark.without_server
@pytest.mark.parametrize(
    ("number", "on", "level"),
    [
        (180006, date(2026, 9, 1), "ok"),
        # One was never released.
        (180004, date(2026, 9, 1), "info"),
        (180003, date(2026, 9, 1), "warning"),
        (180099, date(2026, 9, 1), "ok"),
        (140024, date(2026, 9, 1), "info"),
        (140024, date(2026, 11, 12), "warning"),
        (990001, date(2026, 9, 1), "unknown"),
    ],
)
def test_a_release_is_judged_by_the_table(number: int, on: date, level: str) -> None:
    moment = datetime(on.year, on.month, on.day, tzinfo=UTC)
    server = replace(SERVER, version_number=number, asked_at=moment)
    [said] = [one for one in find(replace(FACTS, server=server), Policy()) if one.code == "H07"]
    assert said.level == level
    assert {14, 15, 16, 17, 18} <= set(RELEASES)


@pytest.mark.without_server
def test_a_machine_without_memory_and_its_killed_processes_are_named(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup/pg"
    files = {
        "proc/7/comm": "postgres\n",
        "proc/7/cgroup": "0::/pg\n",
        "proc/loadavg": "1.00 25.50 3.00 2/300 99\n",
        "proc/meminfo": "MemTotal:  16000000 kB\nMemFree: 1 kB\nMemAvailable: 9000000 kB\n",
        "proc/vmstat": "nr_free_pages 7\noom_kill 5\n",
        "sys/fs/cgroup/pg/memory.max": "1000000000\n",
        "sys/fs/cgroup/pg/memory.current": "990000000\n",
        "sys/fs/cgroup/pg/memory.stat": "anon 1\ninactive_file 10000000\n",
        "sys/fs/cgroup/pg/memory.events": "low 0\noom 3\noom_kill 2\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    machine = look_at_machine(7, tmp_path)
    assert isinstance(machine, Machine)
    assert (machine.memory_bytes, machine.available_bytes) == (1_000_000_000, 20_000_000)
    assert (machine.load, machine.kills, machine.kills_in_all) == (25.5, 2, 5)
    crashed = NOW - timedelta(hours=2)
    server = replace(SERVER, started_at=crashed, checkpointer_started_at=crashed,
                     counted_since=[crashed] * 3)  # fmt: skip
    said = by_code(find(replace(FACTS, machine=machine, server=server), Policy()))
    assert [one.level for one in said["H08"]] == ["critical"]
    assert [one.level for one in said["H10"]] == ["warning"]
    assert "want of memory" in said["H02"][0].reason()
    # Without a limit it is the machine's own memory that counts.
    (group / "memory.max").write_text("max\n", encoding="utf-8")
    whole = look_at_machine(7, tmp_path)
    assert isinstance(whole, Machine)
    assert whole.available_bytes == 9_000_000 * 1024
    assert isinstance(look_at_machine(8, tmp_path), Unlooked)


@pytest.mark.without_server
def test_statistics_that_somebody_has_reset_are_no_crash() -> None:
    once = NOW - timedelta(hours=1)
    for server in (
        replace(SERVER, counted_since=[once, *SERVER.counted_since[1:]]),
        replace(SERVER, counted_since=[once] * 3),
        replace(SERVER, counted_since=[None, once, once]),
    ):
        assert server.crashed_at is None
    fresh = replace(SERVER, made_at=once, started_at=once, counted_since=[once] * 3)
    assert fresh.crashed_at is None
