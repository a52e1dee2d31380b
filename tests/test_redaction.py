"""Secrets that handlers, providers and servers put into their errors: none of them is stored or
logged, and what else the settings name is hidden with them."""

from __future__ import annotations

import io
import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from agentpg.cli.logs import formatter
from agentpg.errors import RedactionWrong, SettingError
from agentpg.redaction import Redaction, redaction_of
from agentpg.sealing import new_key
from agentpg.settings import load_settings
from agentpg.tasks.handlers import App
from agentpg.tasks.run import Run
from tests.tasks.conftest import database, engine
from tests.tasks.engine import Engine

__all__ = ["database", "engine"]

# Each with the part of it that must be nowhere.
SECRETS = {
    "a DSN": ("cannot reach postgresql://kim:hunter2@db.example/x", "hunter2"),
    "a DSN of pairs": ("connection to host=db password='hunter two' failed", "hunter two"),
    "a variable": ("the environment had PGPASSWORD=hunter2", "hunter2"),
    "a line of .pgpass": ("db.example:5432:agentic_ai:kim:hunter2", "hunter2"),
    "a token": ("401 for Authorization: Bearer abc.hunter2", "hunter2"),
    "a key of a provider": ("Incorrect API key provided: sk-proj-hunter2hunter2", "hunter2"),
    "a token of ours": ("token apg_hunter2hunter2 is unknown", "hunter2"),
    "a JSON document": ('{"user": "kim", "password": "hunter2"}', "hunter2"),
    "a private key": (
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
        "hunter2",
    ),
    "half a private key": ("-----BEGIN RSA PRIVATE KEY-----\nhunter2", "hunter2"),
    "a key of backups": ("AGE-SECRET-KEY-1QQPQYRZ7LE", "QQPQYRZ7LE"),
    "a verifier": ("SCRAM-SHA-256$4096:c2FsdA==$aHVudGVy:Mg==", "aHVudGVy"),
    "a hash": ("$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aHVudGVy", "aHVudGVy"),
    "a token of three parts": ("jwt eyJhbGciOi.eyJzdWIi.aHVudGVy expired", "aHVudGVy"),
    "a key of sealed tasks": ("key 2026-11-29:" + "Q" * 43 + "=", "QQQQ"),
}

HIDDEN = {
    "email": ("ask kim@corp.example now", "kim@corp"),
    "phone": ("call 010-1234-5678", "1234"),
    "card": ("card 4111 1111 1111 1111", "4111"),
    "iban": ("to DE89 3704 0044 0532 0130 00", "3704"),
    "rrn": ("rrn 900101-1234567", "1234567"),
    "ip": ("from 192.0.2.7", "192.0.2.7"),
}


def app_that_says(texts: list[str]) -> App:
    app = App()

    @app.task("Leaky", "say", max_attempts=1)
    async def say(run: Run, number: int) -> None:
        run.log.warning("it failed: %s", texts[number])
        run.progress(0.5, texts[number])
        async with run.llm_call(provider="openai", model="m"):
            raise ConnectionError(texts[number])

    return app


def test_no_secret_of_a_handlers_error_is_stored_or_logged(
    engine: Engine, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "own").write_text("# ours\nCASE-\\d+\n", encoding="utf-8")
    texts = [*SECRETS.values(), *HIDDEN.values(), ("case CASE-4711 of acct=hunter2", "hunter2")]
    logged = io.StringIO()
    settings = load_settings(
        redact=" ".join(HIDDEN), redact_keys="acct", redact_file=str(tmp_path / "own")
    )
    handler = logging.StreamHandler(logged)
    handler.setFormatter(formatter("text", redaction_of(settings)))
    logging.getLogger("agentpg").addHandler(handler)
    try:
        engine.work(
            app_that_says([text for text, _ in texts]),
            redact=" ".join(HIDDEN),
            redact_keys="acct",
            redact_file=str(tmp_path / "own"),
        )
        ids = [engine.client.submit("Leaky", "say", {"number": n}) for n in range(len(texts))]
        for task in ids:
            engine.ended(task)
    finally:
        logging.getLogger("agentpg").removeHandler(handler)
    for (text, secret), task in zip(texts, ids, strict=True):
        story = (
            engine.client.get(task),
            engine.client.executions(task),
            engine.client.llm_requests(task),
            engine.client.events(task),
        )
        assert "ConnectionError" in str(story)
        assert secret not in str(story), text
        assert secret not in logged.getvalue(), text
    assert "CASE-4711" not in str(engine.client.get(ids[-1]))


@pytest.mark.without_server
@pytest.mark.parametrize("form", ["text", "json"])
def test_log_lines_hide_secrets_also_in_tracebacks_and_extras(form: str) -> None:
    logger = logging.Logger("x")
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    handler.setFormatter(formatter(form))
    logger.addHandler(handler)
    for text, _ in SECRETS.values():
        try:
            int(text)
        except ValueError:
            logger.exception("failed: %s", text, extra={"agent": "A", "address": text})
    for text, secret in SECRETS.values():
        assert secret not in logged.getvalue(), text
    assert "ValueError" in logged.getvalue()
    if form == "json":
        for line in logged.getvalue().splitlines():
            assert json.loads(line)["agent"] == "A"


@pytest.mark.without_server
@pytest.mark.parametrize("kind", HIDDEN)
def test_personal_data_is_hidden_where_that_is_wanted(kind: str) -> None:
    text, data = HIDDEN[kind]
    assert data in Redaction().hide(text)
    assert data not in redaction_of(load_settings(redact=kind)).hide(text)


@pytest.mark.without_server
@pytest.mark.parametrize(
    "text",
    [
        "order 4111 1111 1111 1112",  # no card: its check digit is wrong
        "task 0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b took 900101 ms",
        "at 2026-11-29T10:00:00.123+09:00, version 18.6.1.1000",
        "DE00 3704 0044 0532 0130 00",
        "12:30:45 SELECT a::text",
    ],
)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert redaction_of(load_settings(redact=" ".join(HIDDEN))).hide(text) == text


@pytest.mark.without_server
@pytest.mark.parametrize(
    "piece",
    ["a/", "a:1:", "AB12 ", "1 ", "1-", "a.", "a@", "+1 (", "::", "-----BEGIN PRIVATE KEY-----"],
)
def test_no_text_takes_long(piece: str) -> None:
    redaction = redaction_of(load_settings(redact=" ".join(HIDDEN), redact_keys="acct"))
    began = time.process_time()
    redaction.hide(piece * (20_000 // len(piece)))
    assert time.process_time() - began < 1


@pytest.mark.without_server
def test_own_expressions_may_hide_a_part(tmp_path: Path) -> None:
    path = tmp_path / "own"
    path.write_text(r"account (?P<secret>\d+)" "\n" r"(?P<secret>x)?y" "\n", encoding="utf-8")
    hidden = redaction_of(load_settings(redact_file=str(path))).hide("account 47, y, xy")
    assert hidden == "account ***, y, ***y"


@pytest.mark.without_server
@pytest.mark.parametrize("line", ["(", "x*", "[", "a{99999999999}", "(?P<a>x)(?P<a>y)"])
def test_an_expression_that_cannot_be_used_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "own"
    path.write_text(f"# comment\nfine\n{line}\n", encoding="utf-8")
    with pytest.raises(RedactionWrong, match="own:3"):
        redaction_of(load_settings(redact_file=str(path)))


@pytest.mark.without_server
def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="the kinds are"):
        load_settings(redact="faces")
    with pytest.raises(RedactionWrong, match="No such file"):
        redaction_of(load_settings(redact_file=str(tmp_path / "none")))


@pytest.mark.without_server
def test_a_key_of_ours_is_hidden_as_it_is_written() -> None:
    from datetime import date

    line = new_key(date(2026, 11, 29)).line()
    said: Any = Redaction().hide(f"read {line}")
    assert said == "read 2026-11-29:***"
