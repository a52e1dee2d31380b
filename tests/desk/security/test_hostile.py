"""What is given to the security commands, by those who mean no good: no crash, nothing leaks, and
nothing is run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from agentpg.db import secured
from agentpg.desk.finding import Finding, Remedy
from agentpg.desk.security.baseline import read_baseline, weigh
from agentpg.desk.security.page import page
from agentpg.desk.security.sarif import sarif
from agentpg.desk.security.tls.store import Store
from agentpg.desk.security.undoing import read_undo, remedy_of
from agentpg.errors import (
    AgentpgError,
    BaselineWrong,
    CertificateNameWrong,
    FileNotRead,
    UndoUnreadable,
)
from agentpg.settings import load_settings

pytestmark = pytest.mark.without_server

_HOSTILE = settings(
    max_examples=110,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

_TRICKS = st.sampled_from(
    [
        *("../../etc/passwd", "/etc/passwd", "..", ".", "a/b", "a\0b", "~root", "-rf", "*", "가"),
        *("$(id)", "`id`", "; DROP TABLE tasks; --", "'; SELECT 1; '", "a\nb", "\x1b[2J", "é" * 40),
        *("CON", "a" * 300, "%2e%2e%2f", "a%00b", "\ud800", "&<script>alert(1)</script>", '"', "'"),
    ]
)
_ANY = st.text(max_size=60) | _TRICKS
_BYTES = st.binary(max_size=200) | _ANY.map(lambda one: one.encode("utf-8", "replace"))


@_HOSTILE
@given(role=_ANY)
def test_no_name_of_a_role_leads_out_of_the_folder(tmp_path: Path, role: str) -> None:
    store = Store(tmp_path)
    store.create_authority("the tests")
    before = set(tmp_path.rglob("*"))
    try:
        store.create_client(role)
    except (CertificateNameWrong, AgentpgError):
        assert set(tmp_path.rglob("*")) <= before | {store.folder / "clients"}
        return
    made = {path for path in tmp_path.rglob("*") if path not in before and path.is_file()}
    assert {path.parent for path in made} <= {store.folder / "clients"}
    for path in made:
        path.unlink()


@_HOSTILE
@given(text=_BYTES | _BYTES.map(lambda one: b"-- x\n" + one + b";\n"))
def test_a_file_that_undoes_can_do_nothing_else(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "undo.sql"
    path.write_bytes(text)
    try:
        sql = remedy_of(read_undo(path)).sql.upper()
    except (FileNotRead, UndoUnreadable):
        return
    assert "DROP" not in sql
    assert "SELECT 1" not in sql


@_HOSTILE
@given(text=_BYTES, value=_ANY)
def test_a_baseline_is_used_or_refused(tmp_path: Path, text: bytes, value: str) -> None:
    path = tmp_path / "accepted.toml"
    entry = json.dumps(value.encode("utf-8", "replace").decode(), ensure_ascii=True)
    whole = f'[[accepted]]\ncode = "A02"\nowner = {entry}\nreason = "x"\nuntil = 2999-01-01\n'
    for content in (text, whole.encode()):
        path.write_bytes(content)
        try:
            accepted = read_baseline(path)
        except (BaselineWrong, FileNotRead):
            continue
        weigh([], accepted, datetime.now(UTC).date())


@_HOSTILE
@given(text=_ANY)
def test_what_a_finding_says_is_only_said(text: str) -> None:
    said = text.encode("utf-8", "replace").decode()
    one = Finding(
        code="A02",
        level="critical",
        subject=said,
        sentence="{subject} {value}",
        evidence={"value": said},
        stake="x",
        source="y",
        remedies=[Remedy(sentence="Do.", sql=said, command=said)],
    )
    weighed = weigh([one], [], datetime.now(UTC).date())
    written = page(weighed, said, datetime.now(UTC))
    assert "<script>alert" not in written
    document = json.loads(sarif(weighed, (), said))
    assert document["runs"][0]["results"][0]["ruleId"] == "A02"


@_HOSTILE
@given(
    dsn=_ANY
    | st.builds(lambda host, value: f"host={host} password={value}", _ANY, _ANY)
    | st.builds(lambda user, host: f"postgresql://{user}:s3cret@{host}/x?sslmode=", _ANY, _ANY)
)
def test_any_connection_string_is_left_or_made_stricter(tmp_path: Path, dsn: str) -> None:
    made = secured(dsn, load_settings(home=tmp_path))
    assert made == dsn or "sslmode=verify-full" in made
