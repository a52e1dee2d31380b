"""Passwords: made, judged, recorded; and the files of libpq that they stand in."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from agentpg.db import Database, password_for, read_conninfo
from agentpg.desk.check import Unlooked
from agentpg.desk.security.passwords.facts import Facts, Login
from agentpg.desk.security.passwords.findings import Policy, find
from agentpg.desk.security.passwords.making import make_password
from agentpg.desk.security.passwords.pgpass import (
    Entry,
    is_wrong,
    password_in,
    read_line,
    with_entry,
    without_entry,
)
from agentpg.desk.security.passwords.records import Record, read_record, with_record
from agentpg.desk.security.passwords.services import read_service, with_service, without_service
from agentpg.desk.security.roles.names import RoleNames
from agentpg.desk.security.rotation.places import shared_values
from agentpg.desk.security.rotation.planning import Role, lacking, logins_of, names_of, plan_of
from agentpg.desk.security.rotation.turn import Turn, write_text
from agentpg.errors import PairUnknown
from agentpg.users.judging import judge

pytestmark = pytest.mark.without_server

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
KEY = ("db.example", "5432", "*", "kim")

fields = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1).filter(
    lambda text: not text.startswith("#") and bool(text.strip())
)


def test_what_is_made_has_the_chance_that_is_said() -> None:
    made = make_password(192)
    assert made.bits >= 192
    assert len(made.password) == 33
    assert made.password.isalnum()
    assert made.password not in repr(made)
    assert judge(made.password).is_enough


@pytest.mark.parametrize(
    ("password", "enough"),
    [
        ("password", False),
        ("P@ssw0rd123!", False),
        ("agentic_ai_agent_1!!", False),
        ("kjhT6%ffg91Lp", False),
        ("aaaaaaaaaaaaaaaaaaaaaaaaa", False),
        ("correct horse battery staple", True),
        ("암호가길면추측하기어렵습니다만", True),
        ("x9!" * 4000, False),
    ],
)
def test_what_is_chosen_is_judged(password: str, enough: bool) -> None:
    said = judge(password, ["agentic_ai_agent_1", "agentic_ai"])
    assert said.is_enough is enough
    assert bool(said.advice) is not enough


@given(fields, fields, fields, fields, fields)
def test_a_line_of_a_password_file_is_read_as_it_was_meant(
    host: str, port: str, database: str, user: str, password: str
) -> None:
    entry = Entry(host, port, database, user, password)
    assert read_line(entry.line()) == entry
    assert password_in(with_entry("", entry), entry.key) == password


def test_libpq_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "pgpass"
    secret = "a:b\\c d"
    path.write_text(with_entry("# mine\n*:*:*:*:other\n", Entry(*KEY, secret)), encoding="utf-8")
    path.chmod(0o600)
    dsn = f"host=db.example user=kim dbname=app passfile={path}"
    assert password_for(dsn) == secret
    left = without_entry(path.read_text(encoding="utf-8"), KEY)
    assert left == "# mine\n*:*:*:*:other\n"


def test_lines_that_are_not_read_as_meant_are_told() -> None:
    assert is_wrong("host:5432:app:kim")
    assert is_wrong("host:5432:app:kim:pass:word")
    assert not is_wrong("host:5432:app:kim:pass\\:word")
    assert not is_wrong("# a: comment")


def test_a_service_is_changed_and_all_else_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = "# ours\n[other]\nuser=x\n\n[app]\nuser=old\nsslmode=verify-full\n"
    after = with_service(before, "app", {"user": "new", "host": "db.example"})
    assert read_service(after, "app") == {
        "user": "new",
        "host": "db.example",
        "sslmode": "verify-full",
    }
    assert read_service(after, "other") == {"user": "x"}
    assert after.startswith("# ours\n[other]\n")
    assert read_service(without_service(after, "app"), "app") is None
    path = tmp_path / "services"
    path.write_text(with_service(after, "third", {"user": "y"}), encoding="utf-8")
    monkeypatch.setenv("PGSERVICEFILE", str(path))
    for service, user in (("app", "new"), ("other", "x"), ("third", "y")):
        said = read_conninfo(f"service={service}")
        assert said is not None
        assert said.values["user"] == user


def test_a_record_stands_beside_what_people_wrote() -> None:
    first = with_record("the queue's login", Record(NOW, "0123abcd"))
    again = with_record(first, Record(NOW + timedelta(days=1), "4567cdef"))
    assert read_record(again) == Record(NOW + timedelta(days=1), "4567cdef")
    assert again.startswith("the queue's login [")
    assert again.count("[agentpg") == 1
    assert read_record("[agentpg: password of yesterday 0123abcd]") is None


def test_the_other_login_of_a_pair_takes_over() -> None:
    def role(name: str, *, open_: bool = True) -> Role:
        return Role(name, open_, ("app_agent",), ())

    roles = {n: role(n) for n in ("app_agent", "app_agent_1")}
    plan = plan_of("agent", "app", roles, "admin", {})
    assert (plan.group, plan.old, plan.new, plan.missing) == (
        "app_agent",
        "app_agent_1",
        "app_agent_2",
        True,
    )
    roles["app_agent_2"] = role("app_agent_2")
    led = {"app_agent": "app_agent_2"}
    assert plan_of("app_agent_1", "app", roles, "admin", led).new == "app_agent_1"
    assert plan_of("app_agent", "app", {"app_agent": roles["app_agent"]}, "x", {}).old == ""
    with pytest.raises(PairUnknown, match="nobody"):
        plan_of("nobody", "app", roles, "admin", {})
    old = Role("a", True, ("g", "more"), ("0:work_mem=1MB",))
    assert lacking(old, Role("b", True, ("g",), ())) == ("more", "work_mem=1MB")


def _facts(**changed: object) -> Facts:
    said: dict[str, object] = {
        "now": NOW,
        "logins": (),
        "marks": Unlooked("hidden"),
        "kept_at": {},
        "pairs": (),
        "turns": (),
        **changed,
    }
    return Facts(**said)  # type: ignore[arg-type]


def _login(role: str, days: float | None, until: datetime | None = None) -> Login:
    record = None if days is None else Record(NOW - timedelta(days=days), "0123abcd")
    return Login(role=role, superuser=False, valid_until=until, record=record)


def _levels(facts: Facts) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in find(facts, Policy(timedelta(days=90))):
        found.setdefault(one.code, []).append(one.level)
    return found


def test_ages_are_judged() -> None:
    assert set(_levels(_facts())) == {"W01", "W02", "W03", "W04"}
    assert all(level == "ok" for levels in _levels(_facts()).values() for level in levels)
    logins = (_login("a", 10), _login("b", 80), _login("c", 100), _login("d", None))
    assert _levels(_facts(logins=logins))["W01"] == ["info", "warning", "info"]
    marks = {"a": "0123abcd", "b": "ffffffff", "c": "", "d": "1"}
    found = find(_facts(logins=logins, marks=marks), Policy(timedelta(days=90)))
    [one] = [one for one in found if one.code == "W01"]
    assert one.evidence["names"] == "b, d"
    assert one.evidence["otherwise"] == ["b"]
    soon = (_login("a", 1, NOW + timedelta(days=3)), _login("b", 1, NOW - timedelta(days=3)))
    assert _levels(_facts(logins=soon))["W02"] == ["warning", "warning"]


def test_a_rotation_that_was_left_is_told() -> None:
    turn = Turn(
        group="app_agent",
        old="app_agent_1",
        new="app_agent_2",
        service="app_agent",
        service_file="/f",
        password_file="/p",
        env_file="",
        begun_at=(NOW - timedelta(hours=30)).isoformat(),
        step="moved",
    )
    facts = _facts(turns=(turn,), pairs=("app_agent", "app_web"))
    found = {one.code: one for one in find(facts, Policy(timedelta(days=90)))}
    assert found["W03"].level == "warning"
    assert found["W03"].remedies[0].command.endswith("rotate app_agent --resume")
    assert (found["W04"].subject, found["W04"].level) == ("app_web", "info")
    assert "moved" not in found["W03"].message()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for others")
def test_root_writes_for_who_owns_the_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 12345, 12345)
    write_text(home / "logins" / "pgpass", "x\n")
    for path in (home / "logins", home / "logins" / "pgpass"):
        assert (path.stat().st_uid, path.stat().st_mode & 0o077) == (12345, 0)


def test_a_database_says_what_a_rotation_shares() -> None:
    values = shared_values(
        Database("host=db.example dbname=app user=boss password=x sslmode=require")
    )
    assert values == {"host": "db.example", "port": "5432", "dbname": "app", "sslmode": "require"}


def test_a_long_name_is_cut_as_the_roles_are() -> None:
    names = RoleNames("d" * 60)
    assert names_of("agent", "d" * 60)[-1] == names.group("agent")
    assert logins_of(names.group("readonly")) == names.logins("readonly")
    assert logins_of("o" * 63) == RoleNames("d", "o" * 63).logins("admin")


def test_all_open_pairs_are_one_finding() -> None:
    facts = Facts(now=NOW, logins=(), marks={}, kept_at={}, pairs=("a", "b"), turns=())
    said = [one for one in find(facts, Policy(timedelta(days=90))) if one.code == "W04"]
    assert [(one.level, one.evidence["pairs"]) for one in said] == [("info", "a, b")]
