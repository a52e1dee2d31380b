"""Metrics: every one is described, a part fails alone, and a server that is away is told."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agentpg.db import Database, connect, make_conninfo
from agentpg.desk.monitor.metrics import aside as aside_module, collecting as module
from agentpg.desk.monitor.metrics.aside import Aside
from agentpg.desk.monitor.metrics.collecting import Collecting
from agentpg.desk.monitor.metrics.described import BY_NAME, METRICS
from agentpg.desk.monitor.metrics.parts import Sample
from agentpg.desk.monitor.metrics.rendering import text_of
from agentpg.desk.monitor.metrics.serving import keep_writing, parse_address, served
from agentpg.desk.monitor.metrics.shipped import dashboard_text, rules_text
from agentpg.errors import AddressWrong, AgentpgError, RepositoryError, ServerBusy
from tests.desk.history import write_history
from tests.desk.monitor.quarrel import quarrel
from tests.servers import OwnServers
from tests.waiting import eventually

PROMTOOL = shutil.which("promtool")

_NAME = re.compile(r"\b(?:pg|agentpg)_[a-z_]+\b")


@contextmanager
def collecting(database: Database, *aside: Aside) -> Iterator[Collecting]:
    """Within it, metrics are collected, and executions of two days counted."""
    shared = Collecting(database, reach=timedelta(days=2), aside=aside)
    yield shared
    shared.close()


def found_in(database: Database) -> dict[tuple[str, tuple[str, ...]], float]:
    """The metrics of a database, collected once."""
    with collecting(database) as shared:
        return values(text_of(shared))


def values(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Name and labels to number."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def parts(found: dict[tuple[str, tuple[str, ...]], float]) -> dict[str, float]:
    """How each part went."""
    name = "pg_scrape_collector_success"
    return {labels[0]: value for (n, labels), value in found.items() if n == name}


@pytest.fixture
def text(database: Database) -> str:
    """The metrics of an installation with some history, in which two quarrel."""
    write_history(database, days=2)
    aside = Aside("backups", lambda: [Sample("agentpg_backups", [], 2.0)])
    aside.found(timedelta(seconds=10))
    with quarrel(database), collecting(database, aside) as shared:
        return text_of(shared)


def test_they_say_what_there_is(text: str) -> None:
    found = values(text)
    assert found["pg_up", ()] == 1
    assert set(parts(found).values()) == {1.0}, parts(found)
    assert found["agentpg_tasks", ("BillingAgent", "ready")] == 4
    assert found["agentpg_oldest_ready_seconds", ("BillingAgent",)] == pytest.approx(10800, abs=99)
    assert found["agentpg_oldest_plain_seconds", ()] == pytest.approx(10800, abs=99)
    assert found["agentpg_tasks", ("DocumentAgent", "held")] == 1
    assert found["agentpg_tasks_without_worker", ()] == 4
    assert found["agentpg_workers", ("alive",)] == 2
    assert found["agentpg_executions_total", ("DocumentAgent", "completed")] > 0
    assert found["agentpg_llm_cost_usd_total", ("DocumentAgent", "gpt-4o-mini")] > 0
    assert found["pg_blocked_sessions", ()] >= 1
    assert found["agentpg_backups", ()] == 2
    tables = {labels for name, labels in found if name == "pg_table_size_bytes"}
    assert {("tasks", "agentic_ai"), ("llm_requests", "agentic_ai")} <= tables
    buckets = [v for (n, _), v in found.items() if n == "agentpg_execution_run_seconds_bucket"]
    assert max(buckets) > 0


def test_what_a_role_may_not_see_is_not_told_as_well(
    database: Database, superuser_dsn: Callable[..., str]
) -> None:
    role = f"watcher_{secrets.token_hex(4)}"
    with connect(Database(superuser_dsn())) as administrator:
        administrator.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'w'".encode())
        try:
            dsn = make_conninfo(database.dsn, user=role, password="w")
            with quarrel(database):
                found = found_in(Database(dsn, database.schema))
        finally:
            administrator.execute(f"DROP ROLE {role}".encode())
    assert found["pg_stat_activity_hidden", ()] >= 2
    assert ("pg_blocked_sessions", ()) not in found
    assert ("pg_xmin_horizon_age", ("session",)) not in found
    assert found["pg_xmin_horizon_age", ("slot",)] == 0


def test_every_label_is_one_of_few(text: str) -> None:
    unbounded = {"pid", "query", "task", "task_id", "user", "email", "worker"}
    assert unbounded.isdisjoint(label for metric in METRICS for label in metric.labels)
    for family in text_string_to_metric_families(text):
        known = BY_NAME.get(family.name) or BY_NAME[f"{family.name}_total"]
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(known.labels), sample
    assert len(text.encode()) < 100_000


def test_a_part_that_fails_leaves_the_others(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(database) as connection:
        connection.execute("ALTER TABLE workers RENAME TO elsewhere")
    found = found_in(database)
    failed = {name for name, ok in parts(found).items() if not ok}
    assert failed == {"workers", "unhandled"}
    assert found["pg_up", ()] == 1
    assert not any(name == "agentpg_workers" for name, _ in found)
    assert "the metrics of workers cannot be collected" in caplog.text


def test_a_database_without_our_schema_has_those_of_the_server(empty_database: Database) -> None:
    found = found_in(empty_database)
    assert found["pg_up", ()] == 1
    assert parts(found)["server"] == 1
    assert parts(found)["queue"] == 0


def test_a_part_that_took_long_rests(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def look(_: object) -> list[Sample]:
        looks.append("looked")
        return [Sample("pg_xid_age", [], float(len(looks)))]

    monkeypatch.setattr(module, "parts", lambda _: {"slow": look})
    monkeypatch.setattr(module, "_QUICK_SECONDS", 0.0)
    monkeypatch.setattr(module, "_RESTS_TIMES", 1e9)
    with collecting(database) as shared:
        assert [values(text_of(shared))["pg_xid_age", ()] for _ in range(3)] == [1, 1, 1]


def test_counting_that_takes_long_is_not_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = threading.Event()

    def count(_: object) -> list[Sample]:
        ends.wait(60)
        return [Sample("agentpg_executions_open", [], 7.0)]

    quick = [Sample("pg_xid_age", [], 1.0)]
    monkeypatch.setattr(module, "parts", lambda _: {"q": lambda _: quick, "executions": count})
    shared = Collecting(database, patient=False)
    try:
        found = values(text_of(shared))
        assert found["pg_up", ()] == 1
        assert found["pg_xid_age", ()] == 1
        assert parts(found) == {"q": 1}
    finally:
        ends.set()
    asked = lambda: values(text_of(shared)).get(("agentpg_executions_open", ()))  # noqa: E731
    assert eventually(asked) == 7
    shared.close()


def test_what_a_part_told_stays_for_a_while_when_it_fails(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def look(_: object) -> list[Sample]:
        looks.append("looked")
        if len(looks) > 1:
            raise ServerBusy("it takes too long", target="here")
        return [Sample("agentpg_tasks_without_worker", [], 7.0)]

    monkeypatch.setattr(module, "parts", lambda _: {"unhandled": look})
    with collecting(database) as shared:
        assert values(text_of(shared))["agentpg_tasks_without_worker", ()] == 7
        failing = values(text_of(shared))
        monkeypatch.setattr(module, "_STAYS_SECONDS", 0.0)
        late = values(text_of(shared))
    assert failing["agentpg_tasks_without_worker", ()] == 7
    assert parts(failing) == {"unhandled": 0}
    assert ("agentpg_tasks_without_worker", ()) not in late


@pytest.mark.without_server
def test_a_dsn_that_nobody_can_read_is_told_without_its_password() -> None:
    with pytest.raises(AgentpgError) as raised:
        Collecting(Database("host=a password='hunter2 x"))
    assert "hunter2" not in str(raised.value)


@pytest.mark.without_server
def test_what_is_looked_at_aside_is_not_waited_for() -> None:
    def fail() -> list[Sample]:
        raise RepositoryError("it burns", place="s3://gone")

    aside = Aside("backups", fail)
    told = aside.found(timedelta(seconds=10))
    assert told is not None
    assert (told.ok, told.samples) == (False, [])


@pytest.mark.without_server
def test_a_look_that_does_not_end_is_told_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside_module, "_RESTS", timedelta())
    ends = threading.Event()
    looks: list[str] = []

    def look() -> list[Sample]:
        if looks:
            ends.wait(60)
        looks.append("looked")
        return [Sample("agentpg_backups", [], 2.0)]

    aside = Aside("backups", look)
    try:
        assert aside.found(timedelta(seconds=10)) is not None
        told = aside.found()
        assert told is not None
        assert told.ok
        monkeypatch.setattr(aside_module, "_HANGS", timedelta())
        hanging = aside.found()
    finally:
        ends.set()
    assert hanging is not None
    assert (hanging.ok, hanging.samples) == (False, told.samples)


def test_a_file_that_cannot_be_written_once_is_written_again(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target, ended = tmp_path / "within" / "a.prom", threading.Event()
    target.parent.mkdir()
    with collecting(database) as shared:
        every = timedelta(milliseconds=10)
        writing = threading.Thread(target=keep_writing, args=(shared, target, every, ended))
        writing.start()
        try:
            eventually(target.exists)
            target.parent.rename(tmp_path / "away")
            eventually(lambda: "a.prom" in caplog.text)
            (tmp_path / "back").mkdir()
            (tmp_path / "back").rename(target.parent)
            eventually(target.exists)
        finally:
            ended.set()
            writing.join()


def test_a_server_that_goes_away_is_told_and_comes_back(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    with collecting(Database(server.dsn())) as shared, served(shared, "127.0.0.1", 0) as port:
        ask = asker(port)
        assert ask()["pg_up", ()] == 1
        server.stop("immediate")
        away = ask()
        assert away["pg_up", ()] == 0
        assert set(parts(away).values()) == {0.0}
        server.start()
        assert ask()["pg_up", ()] == 1


def test_a_server_that_does_not_answer_is_told_as_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.5)
    asked = "SELECT pid FROM pg_stat_activity WHERE application_name = 'agentpg monitor metrics'"
    with collecting(database) as shared, connect(database) as connection:
        assert shared.scrape().up
        [(pid,)] = connection.execute(asked).fetchall()
        os.kill(pid, signal.SIGSTOP)
        try:
            assert not shared.scrape().up
        finally:
            os.kill(pid, signal.SIGCONT)
        assert eventually(lambda: shared.scrape().up)


def asker(port: int) -> Callable[[], dict[tuple[str, tuple[str, ...]], float]]:
    """Scrape as Prometheus does."""

    def ask() -> dict[tuple[str, tuple[str, ...]], float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            return values(answer.read().decode())

    return ask


@pytest.mark.without_server
@pytest.mark.parametrize("wrong", ["", "x", "host:", "host:99999", "host:-1", "1.2.3.4:٣"])
def test_an_address_that_nothing_can_listen_on_is_named(wrong: str) -> None:
    with pytest.raises(AddressWrong, match="cannot listen on"):
        parse_address(wrong)


def test_a_port_that_is_taken_is_named(database: Database) -> None:
    taken = pytest.raises(AddressWrong, match="in use")
    with (
        collecting(database) as shared,
        served(shared, "127.0.0.1", 0) as port,
        taken,
        served(shared, "127.0.0.1", port),
    ):
        pass


@pytest.mark.without_server
@pytest.mark.parametrize("shipped", [dashboard_text, rules_text])
def test_what_is_shipped_names_metrics_that_exist(shipped: Callable[[], str]) -> None:
    histograms = [m.name for m in METRICS if m.kind == "histogram"]
    known = {*BY_NAME, *(f"{name}_bucket" for name in histograms)}
    named = set(_NAME.findall(shipped()))
    assert len(named) > 20
    # A role of the server is no metric.
    assert named - known - {"pg_monitor"} == set()


@pytest.mark.without_server
def test_the_dashboard_is_one_that_grafana_takes() -> None:
    dashboard = json.loads(dashboard_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    used = {name for name in BY_NAME if name in dashboard_text()}
    assert {"agentpg_executions_total", "agentpg_tasks", "pg_up"} <= used


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool_takes_metrics_and_rules(text: str, tmp_path: Path) -> None:
    assert PROMTOOL is not None
    rules = tmp_path / "rules.yml"
    rules.write_text(rules_text(), encoding="utf-8")
    checked = _run([PROMTOOL, "check", "rules", str(rules)])
    assert checked.returncode == 0, checked.stdout + checked.stderr
    # Its one complaint is about a name that Prometheus's own exporter has.
    complaints = _run([PROMTOOL, "check", "metrics"], text).stderr.splitlines()
    assert [line for line in complaints if not line.startswith("pg_stat_activity_count ")] == []


def _run(command: list[str], given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)
