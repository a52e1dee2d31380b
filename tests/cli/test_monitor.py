"""`agentpg monitor`: sessions, sizes and metrics, as they are shown and as JSON."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, connect
from agentpg.desk.monitor.samples import keep_sample
from tests.cli.conftest import Call, Running
from tests.desk.monitor.quarrel import SECRET, quarrel
from tests.guide.blocks import blocks
from tests.waiting import eventually

pytestmark = pytest.mark.one_server


@pytest.mark.parametrize(("lang", "width"), [("en", 80), ("ko", 80), ("en", 120)])
def test_sessions_fit_and_the_culprit_comes_first(
    call: Call, installed: Database, monkeypatch: pytest.MonkeyPatch, lang: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    with quarrel(installed) as known:
        called = call("--lang", lang, "monitor", "activity")
    assert called.code == 0
    lines = called.out.splitlines()
    assert max(map(cell_width, lines)) <= width
    first = next(line for line in lines if " blocks " in line)
    blocked = next(line for line in lines if " blocked " in line)
    assert str(known.holder) in first
    assert str(known.holder) in blocked
    assert "Report/weekly" in blocked
    assert "UPDATE users" in lines[lines.index(blocked) + 1]
    assert SECRET not in called.out


def test_sessions_as_json(call: Call, installed: Database) -> None:
    with quarrel(installed) as known:
        found = json.loads(call("monitor", "activity", "--json").out)
    assert known.holder in found["roots"]
    assert found["blocked"] >= 1
    one = next(s for s in found["sessions"] if s["pid"] == known.waiter)
    assert one["blocked_by"] == [known.holder]
    assert one["work"][0]["task_id"] == str(known.task)
    assert found["longest_transaction"]["seconds"] > 0
    assert SECRET not in json.dumps(found)


def test_the_guide_s_queries_are_printed_as_they_are(call: Call, installed: Database) -> None:
    guide = {name: block.text.strip() for name, block in blocks("sql").items()}
    assert guide["활성 연결 수 확인"] in call("monitor", "activity", "--sql").out
    said = call("monitor", "sizes", "--sql").out
    assert guide["테이블 크기 확인"] in said
    name = installed.name()
    assert guide["데이터베이스 크기 확인"].replace("'agentic_ai'", f"'{name}'") in said
    with connect(installed) as connection:
        for statement in re.findall(r"SELECT.*?;", said, re.DOTALL):
            assert connection.execute(statement.encode()).fetchone() is not None


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_sizes_fit_and_show_growth(
    call: Call, installed: Database, tmp_path: Path, lang: str
) -> None:
    sample = tmp_path / "before.json"
    sample.write_text(call("monitor", "sizes", "--json").out, encoding="utf-8")
    with connect(installed) as connection:
        connection.execute("CREATE TABLE a_table_with_quite_a_long_name_for_its_purpose (n int)")
        connection.execute(
            "INSERT INTO tasks (agent_name, task_type) SELECT 'A', 'x' FROM generate_series(1, 900)"
        )
    called = call("--lang", lang, "monitor", "sizes", "--since", str(sample))
    assert called.code == 0
    assert max(map(cell_width, called.out.splitlines())) <= 80
    assert re.search(r"^tasks .*\+\d+ kB$", called.out, re.MULTILINE)
    assert json.loads(call("monitor", "sizes", "--json").out)["tables"][0]["name"] == "tasks"


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_what_has_changed_since_yesterday(call: Call, installed: Database, lang: str) -> None:
    missing = call("monitor", "changes")
    assert missing.code == 1
    assert "no sample was kept yet" in missing.err
    keep_sample(installed)
    with connect(installed) as connection:
        connection.execute("UPDATE samples SET taken_at = now() - interval '25 hours'")
        connection.execute("CREATE TABLE fresh AS SELECT n FROM generate_series(1, 9000) AS n")
    called = call("--lang", lang, "monitor", "changes")
    assert called.code == 0
    assert max(map(cell_width, called.out.splitlines())) <= 80
    assert "agentic_ai.fresh" in called.out
    found = json.loads(call("monitor", "changes", "--json").out)
    assert {one["name"] for one in found["counted"]} >= {"commits", "wal_bytes"}
    assert json.loads(call("monitor", "sizes", "--since", "1d", "--json").out)["since"] is not None


def test_a_wrong_sample_is_wrong_usage(call: Call, installed: Database, tmp_path: Path) -> None:
    sample = tmp_path / "sample"
    sample.write_text("no JSON", encoding="utf-8")
    called = call("monitor", "sizes", "--since", str(sample))
    assert called.code == 2
    assert called.err.startswith(f"agentpg: cannot compare with {sample}: it does not hold what")


def test_metrics_are_printed_and_written_once(
    call: Call, installed: Database, tmp_path: Path
) -> None:
    printed = call("monitor", "metrics")
    assert printed.code == 0
    assert "\npg_up 1.0\n" in printed.out
    found = json.loads(call("monitor", "metrics", "--json").out)
    assert found["up"] is True
    assert {"name": "pg_up", "labels": {}, "value": 1.0} in found["metrics"]
    target = tmp_path / "agentpg.prom"
    assert call("monitor", "metrics", "--file", str(target)).code == 0
    assert "\npg_up 1.0\n" in target.read_text(encoding="utf-8")


def test_metrics_tell_that_the_server_is_away(call: Call) -> None:
    called = call("--dsn", "postgresql://u:s3cret@127.0.0.1:1/x", "monitor", "metrics")
    assert called.code == 0
    assert "\npg_up 0.0\n" in called.out
    assert "s3cret" not in called.out + called.err


@pytest.mark.parametrize(
    "wrong",
    [
        ("--listen", "1", "--rules"),
        ("--every", "5s"),
        ("--listen", "nowhere"),
        ("--listen", "192.0.2.1:9187"),
    ],
)
def test_wrong_ways_of_handing_out_are_named(
    call: Call, installed: Database, wrong: tuple[str, ...]
) -> None:
    called = call("monitor", "metrics", *wrong)
    assert called.code == 2
    assert called.err.startswith("agentpg: ")


@pytest.mark.one_server
def test_metrics_are_served_and_written_until_sigterm(
    installed: Database, launch: Callable[..., Running], tmp_path: Path
) -> None:
    target = tmp_path / "agentpg.prom"
    serving = launch("monitor", "metrics", "--listen", "0")
    writing = launch("monitor", "metrics", "--file", str(target), "--every", "1s")
    serving.says("/metrics")
    address = re.search(r"http://127\.0\.0\.1:\d+/metrics", serving.text)
    assert address is not None
    with urllib.request.urlopen(address[0], timeout=30) as answer:  # noqa: S310 - http
        assert b"\npg_up 1.0\n" in answer.read()
    first = eventually(lambda: target.exists() and target.stat().st_ino)
    eventually(lambda: target.stat().st_ino != first, message="the file is written again")
    for running in (serving, writing):
        running.tell(signal.SIGTERM)
        assert running.ends() == 0
        assert "Traceback" not in running.text
    # Nothing half-written lies beside it.
    assert [path for path in tmp_path.iterdir() if "prom." in path.name] == []


@pytest.mark.without_server
def test_a_file_is_not_written_without_rest(call: Call, tmp_path: Path) -> None:
    found = call("monitor", "metrics", "--file", str(tmp_path / "a.prom"), "--every", "0s")
    assert found.code == 2
    assert "1s" in found.err


@pytest.mark.without_server
def test_what_goes_with_the_metrics_needs_no_database(call: Call) -> None:
    assert "groups:" in call("monitor", "metrics", "--rules").out
    assert json.loads(call("monitor", "metrics", "--dashboard").out)["title"] == "agentpg"
