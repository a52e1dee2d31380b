"""The engine's reasons are shown in the reader's language, and nobody else's words are."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import agentpg
from agentpg.cli.backup_checks import check_reason
from agentpg.cli.reasons import STORED, optional_reason, reason_in
from agentpg.db import Connection, Database, Statements, connect
from agentpg.language import translation, untranslated
from agentpg.tasks.alone import _how_it_ended
from agentpg.tasks.attempt import decide
from agentpg.tasks.client import Client
from agentpg.tasks.handlers import Handler
from agentpg.tasks.model import Outcome, Verdict
from agentpg.tasks.retry import LOSSES_TO_QUARANTINE
from tests.cli.conftest import Call
from tests.tasks.claimed import claimed

pytestmark = pytest.mark.one_server

KOREAN = translation("ko")
PACKAGE = Path(agentpg.__path__[0])

HANDLER = Handler(
    agent_name="A", task_type="t", function=lambda run: None, timeout=timedelta(seconds=3)
)


def test_each_form_is_what_the_engine_writes() -> None:
    """Its words stand in the code or the SQL that stores it."""
    engine = [p for p in PACKAGE.rglob("*") if p.suffix in (".py", ".sql")]
    texts = [p.read_text(encoding="utf-8") for p in engine if p.name != "reasons.py"]
    ends = [f"its process {_how_it_ended(code)}" for code in (-9, 3)]  # put together there
    code = re.sub(r'["\']\s*\n?\s*(?:\|\| )?f?["\']', "", "\n".join([*texts, *ends]))
    for template in STORED:
        for words in re.split(r"\{\w+\}", template):
            assert words in code, template


def lost(**task: object) -> str:
    """What is written about a task whose process was killed."""
    died = f"its process {_how_it_ended(-9)}"
    return decide(claimed(**task), HANDLER, Verdict(Outcome.LOST, error=died)).error or ""


@pytest.mark.parametrize(
    ("stored", "korean"),
    [
        (lost(), "프로세스가 시그널 9 (SIGKILL)에 의해 종료됨"),
        (
            lost(crashes=2, losses=2),
            "비정상 종료 3번, 유실된 실행 3번 뒤에 격리됨. "
            "마지막 원인: 프로세스가 시그널 9 (SIGKILL)에 의해 종료됨",
        ),
        (
            lost(on_crash="fail"),
            "프로세스가 시그널 9 (SIGKILL)에 의해 종료됨. 두 번 실행해서는 안 됨 (on_crash = fail)",
        ),
        (f"its process {_how_it_ended(3)}", "프로세스가 종료 코드 3(으)로 끝남"),
        (HANDLER.too_long, "핸들러가 3s보다 오래 걸림"),
        ("its worker died", "워커가 죽음"),
        (
            "the payload has no customer, by which a limit of Billing counts",
            "Billing의 제한이 기준으로 삼는 customer이(가) 페이로드에 없음",
        ),
        (
            "the payload cannot be read: it is nested too deeply",
            "페이로드를 읽을 수 없음: 너무 깊이 중첩되어 있습니다",
        ),
        ("ValueError: its worker died of it", "ValueError: its worker died of it"),
        ("the customer asked\nfor it", "the customer asked\nfor it"),
        ("", ""),
    ],
)
def test_a_reason_is_known_again(stored: str, korean: str) -> None:
    assert reason_in(KOREAN, stored) == korean
    assert reason_in(untranslated, stored) == stored


def test_no_reason_stays_none() -> None:
    assert optional_reason(KOREAN, None) is None


def quarantined(database: Database) -> UUID:
    """A task that its tenth lost execution has ended, by the engine's own rescue."""
    with Client(database) as client, connect(database) as connection:
        task = client.submit("A", "t")
        connection.execute(
            "INSERT INTO agent_executions (task_id, attempt, agent_name, task_type,"
            " execution_start, execution_end, outcome, error_message)"
            " SELECT id, n, 'A', 't', now(), now(), 'lost', 'its worker died'"
            " FROM tasks, generate_series(1, 9) AS n"
        )
        connection.execute(
            "WITH t AS (UPDATE tasks SET status = 'running', attempt = 10, worker = uuid7(),"
            " started_at = now())"
            " INSERT INTO agent_executions (task_id, attempt, agent_name, task_type,"
            " execution_start) SELECT id, 10, 'A', 't', now() FROM tasks"
        )
        rescue(connection, database.schema)
        assert client.get(task).error_message == (
            "quarantined after 10 lost executions: its worker died each time"
        )
    return task


def rescue(connection: Connection[Any], schema: str) -> None:
    """What each worker does now and then."""
    values = {"losses_to_quarantine": LOSSES_TO_QUARANTINE}
    connection.execute(Statements("upkeep", schema)["put_back"], values)


def test_a_task_says_in_korean_why_it_is_where_it_is(call: Call, installed: Database) -> None:
    task = str(quarantined(installed))
    why = "실행이 10번 유실되어 격리됨: 매번 워커가 죽음"
    shown = call("--lang", "ko", "task", "show", task).out
    assert " ".join(shown.split()).count(why) == 1
    assert re.search(r"#10 +워커가 죽음\n", shown)
    assert why in call("--lang", "ko", "task", "show", task, "--follow").out
    assert "#10  its worker died" in call("--lang", "en", "task", "show", task).out
    waited = call("--lang", "ko", "task", "wait", task)
    assert waited.code == 1
    assert why in waited.err
    retrying = call("--lang", "ko", "task", "retry", "--failed")
    assert "실행이 10번" in retrying.out
    machine = call("--lang", "ko", "task", "show", task, "--json").out
    assert "quarantined after 10 lost executions" in machine


def test_a_held_task_says_in_korean_why(call: Call, installed: Database) -> None:
    with Client(installed) as client:
        by_hand = client.submit("A", "t")
    assert call("task", "hold", str(by_hand)).code == 0
    shown = call("--lang", "ko", "task", "show", str(by_hand)).out
    assert re.search(r"보류 이유 +사람이 보류함\n", shown)
    with Client(installed) as client:
        client.release(by_hand)
        client.hold(by_hand, reason="the customer is away")
    shown = call("--lang", "ko", "task", "show", str(by_hand)).out
    assert re.search(r"보류 이유 +the customer is away\n", shown)


@pytest.mark.parametrize(
    ("stored", "korean"),
    [
        ("what was restored differs from the manifest", "복원된 내용이 매니페스트와 다릅니다"),
        (
            "2 constraints were never proved for all rows: a on b, c on d",
            "모든 행에 대해 검증되지 않은 제약 조건이 2개 있습니다: a on b, c on d",
        ),
        ("pg_restore failed: ERROR: no", "pg_restore 실행이 실패했습니다: ERROR: no"),
        ("{reason}", "{reason}"),
        ("somebody else's words", "somebody else's words"),
        ("", ""),
    ],
)
def test_the_reason_of_a_check_is_known_again(stored: str, korean: str) -> None:
    assert check_reason(KOREAN, stored) == korean
    assert check_reason(untranslated, stored) == stored
