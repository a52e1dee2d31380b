"""Accounts: who gets in, who does not, and what nobody can tell from it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from statistics import median
from typing import Any

import pytest
from argon2 import Parameters, PasswordHasher

from agentpg.audit.acting import Actor
from agentpg.audit.reading import Wanted, entries
from agentpg.audit.verifying import verify
from agentpg.db import Connection, Database, connect
from agentpg.errors import (
    AccountExists,
    AccountNameWrong,
    AccountNotFound,
    LastAdmin,
    PasswordTooWeak,
    ScopesWrong,
    TokenNotFound,
)
from agentpg.users import passwords
from agentpg.users.account import Account, Denied
from agentpg.users.judging import require_strong
from agentpg.users.kept import Users, kept_users
from agentpg.users.login import LoginPolicy, authenticate, authenticate_token
from agentpg.users.passwords import make_password
from agentpg.users.rights import Permission, Role
from agentpg.users.tokens import is_well_formed, make_token
from tests.schema.old import rows, run

GOOD, WRONG = "four unlikely 가방 words", "not that one at all"
DEAR = passwords._COST
STRICT = LoginPolicy(attempts=2, lock=timedelta(minutes=1), longest_lock=timedelta(minutes=3))


def hash_at(cost: Parameters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_COST", cost)
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher.from_parameters(cost))


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash costs next to nothing, but where a test is about what it costs."""
    hash_at(replace(DEAR, time_cost=1, memory_cost=32, parallelism=1), monkeypatch)


@pytest.fixture
def users(database: Database) -> Iterator[Users]:
    with kept_users(database, Actor(account="root", program="test")) as kept:
        yield kept


@pytest.fixture
def door(database: Database) -> Iterator[Connection[Any]]:
    with connect(database) as connection:
        yield connection


def denied(answer: Account | Denied) -> tuple[str, str]:
    assert isinstance(answer, Denied)
    return answer.reason, answer.message


def test_a_password_opens_its_account_only(users: Users, door: Connection[Any]) -> None:
    users.add("kim", Role.OPERATOR, GOOD)
    users.add("ci", Role.ADMIN, None)
    opened = authenticate(door, " KIM ", GOOD)
    assert isinstance(opened, Account)
    assert (opened.name, opened.role, opened.scopes, opened.must_change) == (
        "kim", Role.OPERATOR, None, False,
    )  # fmt: skip
    assert opened.may(Permission.TASKS_MANAGE)
    assert not opened.may(Permission.APPROVALS_DECIDE)
    # One text for all, so that nobody learns which it was.
    said = {
        denied(authenticate(door, name, password))[1]
        for name, password in (("kim", WRONG), ("ci", GOOD), ("nobody", GOOD), ("", ""))
    }
    assert len(said) == 1
    decomposed = "four unlikely 가방 words"
    assert isinstance(authenticate(door, "kim", decomposed), Account), "another keyboard"
    assert users.get("kim").seen_at is not None
    users.disable("kim", "has left")
    assert denied(authenticate(door, "kim", GOOD))[0] == "disabled"
    users.enable("kim")
    assert isinstance(authenticate(door, "kim", GOOD), Account)


def test_tries_lock_a_name_whether_there_is_an_account_or_not(
    users: Users, door: Connection[Any], database: Database
) -> None:
    users.add("kim", Role.VIEWER, GOOD)
    for name in ("kim", "nobody"):
        assert denied(authenticate(door, name, WRONG, policy=STRICT))[0] == "wrong"
        assert denied(authenticate(door, name, WRONG, policy=STRICT))[0] == "wrong"
        locked = authenticate(door, name, GOOD, policy=STRICT)
        assert isinstance(locked, Denied)
        assert locked.reason == "locked"
        assert locked.retry_in is not None
        assert timedelta(seconds=50) < locked.retry_in <= timedelta(minutes=1)
    # It doubles with each failure, up to the longest.
    for expected in (2, 3, 3):
        run(database, "UPDATE login_failures SET locked_until = now()", database.schema)
        assert denied(authenticate(door, "kim", WRONG, policy=STRICT))[0] == "wrong"
        locked = authenticate(door, "kim", GOOD, policy=STRICT)
        assert isinstance(locked, Denied)
        assert locked.retry_in is not None
        assert round(locked.retry_in / timedelta(minutes=1)) == expected
    assert users.get("kim").state == "locked"
    assert users.unlock("kim") == 5
    assert isinstance(authenticate(door, "kim", GOOD, policy=STRICT), Account)
    # What is long over is forgotten, and removed by others' tries.
    run(database, "UPDATE login_failures SET failed_at = '2001-01-01', locked_until = NULL")
    authenticate(door, "somebody", WRONG, policy=STRICT)
    assert rows(database, "SELECT count(*) FROM agentic_ai.login_failures") == [(1,)]


def test_no_number_of_tries_at_once_is_more_than_the_limit(
    users: Users, database: Database
) -> None:
    users.add("kim", Role.VIEWER, GOOD)
    reasons: list[str] = []

    def guess() -> None:
        answer = authenticate(database, "kim", WRONG, policy=STRICT)
        reasons.append(denied(answer)[0])

    guessers = [threading.Thread(target=guess) for _ in range(8)]
    for one in guessers:
        one.start()
    for one in guessers:
        one.join()
    assert sorted(reasons) == ["locked"] * 6 + ["wrong"] * 2


def test_the_time_tells_no_account(
    users: Users, door: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A third of the cost is far more than all else that a try costs.
    hash_at(replace(DEAR, time_cost=1, parallelism=1), monkeypatch)
    users.add("kim", Role.VIEWER, GOOD)
    patient = LoginPolicy(attempts=100)

    def seconds(name: str) -> float:
        begin = time.process_time()
        authenticate(door, name, WRONG, policy=patient)
        return time.process_time() - begin

    pairs = [(seconds("kim"), seconds("nobody")) for _ in range(3)]
    known, unknown = (median(times) for times in zip(*pairs, strict=True))
    assert unknown == pytest.approx(known, rel=0.5), "both compute one hash"
    assert known > 0.01


def test_an_old_hash_is_made_anew(
    users: Users, door: Connection[Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.add("kim", Role.VIEWER, GOOD)
    hash_at(DEAR, monkeypatch)
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
    run(database, f"UPDATE agentic_ai.users SET password_hash = '{weak}'")
    assert isinstance(authenticate(door, "kim", GOOD), Account)
    [(kept,)] = rows(database, "SELECT password_hash FROM agentic_ai.users")
    assert "m=65536,t=3,p=4" in kept


def test_a_token_may_what_it_and_its_account_may(
    users: Users, door: Connection[Any], database: Database
) -> None:
    users.add("ci", Role.OPERATOR, None)
    scopes = ["tasks:submit", "tasks:manage"]
    token, kept = users.add_token("ci", "build", scopes, timedelta(days=1))
    assert token.startswith(kept.hint)
    assert rows(
        database, f"SELECT count(*) FROM agentic_ai.account_tokens t WHERE t::text LIKE '%{token}%'"
    ) == [(0,)]
    opened = authenticate_token(door, token)
    assert isinstance(opened, Account)
    assert (opened.name, opened.token_id) == ("ci", kept.id)
    assert [one for one in Permission if opened.may(one)] == scopes
    users.set_role("ci", Role.VIEWER)
    lowered = authenticate_token(door, token)
    assert isinstance(lowered, Account)
    assert not any(lowered.may(one) for one in Permission), "the role is below its scopes"
    assert users.tokens("ci")[0].last_used_at is not None

    for wrong in ("", "apg_", token[:-1], token[:-1] + ("a" if token[-1] != "a" else "b")):
        assert denied(authenticate_token(door, wrong))[0] == "malformed"
    assert denied(authenticate_token(door, make_token()))[0] == "unknown"
    users.disable("ci")
    assert denied(authenticate_token(door, token))[0] == "disabled"
    users.enable("ci")
    run(database, "UPDATE agentic_ai.account_tokens SET created_at = '2001-01-01',"
                  " expires_at = '2002-01-01'")  # fmt: skip
    assert denied(authenticate_token(door, token))[0] == "expired"
    assert users.tokens("ci")[0].state == "expired"
    assert users.revoke_tokens("ci", "build") == ["build"]
    assert denied(authenticate_token(door, token))[0] == "revoked"
    with pytest.raises(TokenNotFound):
        users.revoke_tokens("ci", "build")


@pytest.mark.parametrize("scopes", [[], ["tasks:fly"], ["users:manage"], ["tasks:read' OR 1"]])
def test_a_token_gets_no_scope_that_its_role_has_not(users: Users, scopes: list[str]) -> None:
    users.add("ci", Role.OPERATOR, None)
    with pytest.raises(ScopesWrong):
        users.add_token("ci", "build", scopes, None)


def test_somebody_is_left_to_manage_accounts(users: Users) -> None:
    users.add("kim", Role.ADMIN, GOOD)
    with pytest.raises(LastAdmin):
        users.set_role("kim", Role.VIEWER)
    with pytest.raises(LastAdmin):
        users.disable("kim")
    users.add("lee", Role.ADMIN, None)
    users.set_role("kim", Role.APPROVER)
    with pytest.raises(LastAdmin):
        users.disable("lee")


@pytest.mark.parametrize(
    "name", ["", "Kim", " kim", "kim park", "-kim", "kim\n", "김", "k" * 101, "kim'; --", "a\x00b"]
)
def test_names_are_plain(users: Users, name: str) -> None:
    with pytest.raises(AccountNameWrong):
        users.add(name, Role.VIEWER, None)
    assert isinstance(authenticate(users._connection, name, GOOD), Denied)


def test_rows_from_before_become_accounts_when_they_are_added(
    users: Users, door: Connection[Any], database: Database
) -> None:
    run(
        database,
        "INSERT INTO agentic_ai.users (username, role, password_hash, adopted) VALUES"
        " ('old', 'admin', 'md5secret', true), ('twice', 'viewer', NULL, true),"
        " ('twice', 'viewer', NULL, true), (NULL, 'viewer', NULL, true)",
    )
    assert {one.state for one in users.find()} == {"adopted"}
    [(before,)] = rows(database, "SELECT id FROM agentic_ai.users WHERE username = 'old'")
    assert denied(authenticate(door, "old", "md5secret"))[0] == "wrong"
    with pytest.raises(AccountNotFound):
        users.set_password("old", GOOD)
    added = users.add("old", Role.VIEWER, GOOD)
    assert (added.id, added.role, added.adopted) == (before, Role.VIEWER, False)
    assert isinstance(authenticate(door, "old", GOOD), Account)
    users.add("twice", Role.VIEWER, GOOD)
    assert [one.adopted for one in users.find("twice")] == [False, True, True]
    with pytest.raises(AccountExists):
        users.add("twice", Role.VIEWER, GOOD)


def test_each_change_is_in_the_log_without_its_secrets(users: Users, database: Database) -> None:
    password = make_password()
    users.add("kim", Role.ADMIN, password)
    token, _ = users.add_token("kim", "ci", ["tasks:read"], None)
    users.set_password("kim", GOOD)
    assert users.revoke_tokens("kim", None) == ["ci"]
    assert users.revoke_tokens("kim", None) == [], "which changes nothing, and is no entry"
    found = entries(database, Wanted(who="root"))
    assert [one.action for one in found] == [
        "user.revoke", "user.password", "user.token", "user.add",
    ]  # fmt: skip
    text = str(found)
    assert password not in text
    assert GOOD not in text
    assert token not in text
    assert verify(database).broken is None


@pytest.mark.without_server
@pytest.mark.parametrize(
    "weak",
    ["short", "password12345678", "kimkimkimkimkim!", "qwertyuiopasdfgh", "x" * 300, "a\x00" * 9],
)
def test_weak_passwords_are_refused(weak: str) -> None:
    with pytest.raises(PasswordTooWeak):
        require_strong(weak, "kim")


@pytest.mark.without_server
def test_made_ones_are_good_and_found_by_scanners() -> None:
    require_strong(make_password(), "kim")
    require_strong(GOOD, "kim")
    tokens = {make_token() for _ in range(200)}
    assert len(tokens) == 200
    assert all(is_well_formed(one) and len(one) == 53 for one in tokens)
