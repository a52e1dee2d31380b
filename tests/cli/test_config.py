"""`agentpg config`: values, sources, secrets, and what bad settings get."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database
from agentpg.settings import Settings
from tests.cli.conftest import Call

pytestmark = pytest.mark.one_server


def test_show_lists_every_setting(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    called = call("config", "show")
    assert called.code == 0
    names = [line.split()[0] for line in called.out.splitlines()]
    assert names == ["Name", *Settings.model_fields]


def test_show_says_where_a_value_comes_from(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("AGENTPG_LEASE=10s\nAGENTPG_POOL_SIZE=3\n", encoding="utf-8")
    monkeypatch.setenv("AGENTPG_POOL_SIZE", "4")
    shown = {
        o["name"]: o for o in json.loads(call("--schema", "b", "config", "show", "--json").out)
    }
    assert (shown["lease"]["value"], shown["lease"]["source"]) == ("10s", ".env")
    assert (shown["pool_size"]["value"], shown["pool_size"]["source"]) == ("4", "environment")
    assert (shown["schema_name"]["value"], shown["schema_name"]["source"]) == ("b", "option")
    assert (shown["log_level"]["value"], shown["log_level"]["source"]) == ("info", "default")


def test_json_has_every_field_of_a_setting(call: Call) -> None:
    options = json.loads(call("config", "show", "--json").out)
    assert [o["name"] for o in options] == list(Settings.model_fields)
    fields = {"name", "variable", "value", "source", "default", "unit", "meaning"}
    assert all(set(o) == fields for o in options)


def test_json_is_the_same_in_every_language(call: Call) -> None:
    english = call("--lang", "en", "config", "show", "--json").out
    assert call("--lang", "ko", "config", "show", "--json").out == english.replace(
        '"value": "en"', '"value": "ko"'
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [("DISK_WARNING", "95"), ("DISK_CRITICAL", "70"), ("DISK_LEFT_WARNING", "1h"),
     ("BACKUP_AGE_WARNING", "9d"), ("TASK_WAIT_CRITICAL", "1min")],
)  # fmt: skip
def test_a_warning_after_what_is_critical_is_refused(
    call: Call, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"AGENTPG_{variable}", value)
    called = call("config", "check")
    assert called.code == 2
    assert f"AGENTPG_{variable} in the environment cannot be {value}" in called.err
    assert "a warning must come before what is critical" in called.err


@pytest.mark.parametrize("form", [[], ["--long"], ["--json"]])
def test_secrets_are_hidden(call: Call, monkeypatch: pytest.MonkeyPatch, form: list[str]) -> None:
    monkeypatch.setenv("AGENTPG_DSN", "postgresql://admin:s3cret@db.example/agentic_ai")
    monkeypatch.setenv("AGENTPG_DSN_ADMIN", "host=db.example password='s3cret too' user=admin")
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret-key")
    called = call("config", "show", *form)
    assert called.code == 0
    assert "s3cret" not in called.out + called.err
    assert "postgresql://admin:***@db.example/agentic_ai" in called.out.replace("\n", "")


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("form", [[], ["--long"]])
def test_show_fits_80_columns(
    call: Call, monkeypatch: pytest.MonkeyPatch, lang: str, form: list[str]
) -> None:
    monkeypatch.setenv("AGENTPG_DSN", "postgresql://admin@" + "a" * 200 + "/agentic_ai")
    called = call("--lang", lang, "config", "show", *form)
    assert max(cell_width(line) for line in called.out.splitlines()) <= 80
    assert called.out.count("a") >= 200


def test_long_shows_the_meaning_in_the_language_of_the_reader(call: Call) -> None:
    assert "How many handlers one worker process" in call("config", "show", "--long").out
    assert (
        "워커 프로세스 하나가 동시에 실행하는" in call("config", "show", "-l", "--lang", "ko").out
    )


def test_a_wrong_name_in_the_env_file_gets_did_you_mean(call: Call) -> None:
    Path(".env").write_text("AGENTPG_LEESE=10s\n", encoding="utf-8")
    for command in ("show", "check"):
        called = call("config", command)
        assert called.code == 2
        assert called.err == (
            "agentpg: the setting AGENTPG_LEESE in .env is wrong: there is no such setting\n"
            "hint: Did you mean AGENTPG_LEASE?\n"
        )


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("AGENTPG_LEASE", "5", "cannot be '5': it must be a number with a unit, such as 30s"),
        ("AGENTPG_LEASE", "0s", "cannot be '0s': it must be greater than 0"),
        ("AGENTPG_CONCURRENCY", "many", "cannot be 'many': it must be a whole number"),
        ("AGENTPG_CONCURRENCY", "0", "cannot be '0': it is too small"),
        ("AGENTPG_LOG_LEVEL", "loud", "cannot be 'loud': there is no such choice"),
        ("AGENTPG_SCHEMA", "Ä;", "cannot be 'Ä;': it must be lower-case letters"),
        ("AGENTPG_PAYLOAD_LIMIT", "1 elephant", "cannot be '1 elephant': it must be a number"),
    ],
)
def test_a_wrong_value_is_named_with_its_reason(
    call: Call, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)
    called = call("config", "check")
    assert called.code == 2
    assert f"the setting {variable} in the environment {sentence}" in called.err
    assert "hint: " in called.err


def test_a_wrong_global_option_is_told_from_the_environment(call: Call) -> None:
    called = call("--schema", "No Good", "config", "show")
    assert called.code == 2
    assert "AGENTPG_SCHEMA in the command line cannot be 'No Good'" in called.err


def test_check_says_which_database_answers(call: Call, empty_database: Database) -> None:
    called = call("--dsn", empty_database.dsn, "config", "check")
    assert called.code == 0
    assert empty_database.target() in called.out
    found = json.loads(call("--dsn", empty_database.dsn, "config", "check", "--json").out)
    assert found["database"] == empty_database.target()
    assert found["schema"] == "agentic_ai"


def test_check_judges_how_long_history_is_kept(
    call: Call, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_RETENTION_COMPLETED", "30d")
    monkeypatch.setenv("AGENTPG_RETENTION_FAILED", "1h")
    called = call("--dsn", empty_database.dsn, "config", "check")
    assert called.code == 2
    assert called.err == (
        "agentpg: failed tasks cannot be kept for 1h only: the longest retry takes 216min\n"
        "hint: Set AGENTPG_RETENTION_FAILED to 216min or more, for so long a task may be tried.\n"
    )
    monkeypatch.setenv("AGENTPG_RETENTION_FAILED", "216min")
    assert call("--dsn", empty_database.dsn, "config", "check").code == 0


def test_check_without_a_database_is_wrong_usage(call: Call) -> None:
    called = call("config", "check")
    assert called.code == 2
    assert "no database is configured" in called.err


def test_check_of_a_dead_database_exits_with_3_and_hides_the_password(call: Call) -> None:
    called = call("--dsn", "postgresql://u:s3cret@127.0.0.1:1/x", "config", "check")
    assert called.code == 3
    assert called.err.startswith("agentpg: cannot reach the database at 127.0.0.1:1/x:")
    assert "s3cret" not in called.err


def test_check_of_something_that_is_no_dsn_is_wrong_usage(call: Call) -> None:
    called = call("--dsn", "nonsense s3cret", "config", "check")
    assert called.code == 2
    assert "it is not a connection string" in called.err
    assert "s3cret" not in called.err
