"""Alerts in the database: found on a real server, kept, told, and over."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
from uuid_utils.compat import uuid7

from agentpg.db import Database, connect
from agentpg.desk.alerting import looking
from agentpg.desk.alerting.looking import due_rooms, look_at
from agentpg.desk.doctor.notify import CHECKS
from agentpg.desk.doctor.rooms import ROOMS, Room
from agentpg.notify.condition import Remedy
from agentpg.notify.deciding import Look
from agentpg.notify.kept import Looked, Undelivered, kept_alerts
from tests.desk.alerting.alerted import Alerted
from tests.hook_receiver import receiver
from tests.notify.sample import HOUR, MINUTE, NOW, a_condition, a_message, an_alert


@pytest.fixture
def alerted(database: Database, tmp_path: Path) -> Iterator[Alerted]:
    with receiver() as hook:
        made = Alerted(database, tmp_path, hook)
        made.look()
        yield made


def test_it_fires_names_the_culprit_is_repeated_and_clears(alerted: Alerted) -> None:
    told = alerted.look_at_backups()
    assert "firing B01" in told["ops"], "the second look that finds it"
    assert alerted.deliver().errors == []
    hooked = {one["receiver"]: one for one in alerted.hook.documents()}
    assert hooked.keys() == told.keys(), "one message for each contact"
    first = hooked["ops"]["alerts"][0]
    assert first["labels"]["severity"] == "critical"
    backup = next(a for a in hooked["ops"]["alerts"] if a["labels"]["alertname"] == "B01")
    assert backup["annotations"]["command"] == "agentpg backup create"

    assert alerted.look_at_backups() == {}
    with kept_alerts(alerted.database, "test") as alerts:
        [alert] = [one for one in alerts.open_alerts() if one.condition.code == "B01"]
        alerts.acknowledge([one.id for one in alerts.open_alerts()], "kim", "")
    alerted.run("UPDATE alerts SET acked_at = NULL WHERE code = 'B01'")
    alerted.pass_time(5 * HOUR)
    assert alerted.look_at_backups() == {"dba": ["escalated B01"]}
    alerted.pass_time(5 * HOUR)
    assert alerted.look_at_backups() == {"dba": ["still B01"], "ops": ["still B01"]}

    alerted.watched.backup(HOUR)
    assert "resolved B01" not in alerted.look_at_backups().get("ops", ())
    over = alerted.look_at_backups()
    assert "resolved B01" in over["ops"]
    assert "resolved B01" in over["dba"]
    alerted.deliver()
    ended = alerted.hook.documents()[-1]
    [gone] = [a for a in ended["alerts"] if a["labels"]["alertname"] == "B01"]
    assert gone["status"] == "resolved"
    assert alerted.run("SELECT state FROM alerts WHERE id = %(id)s", id=alert.id) == [("resolved",)]


def test_a_silence_is_kept_with_its_owner_and_ends(alerted: Alerted) -> None:
    with kept_alerts(alerted.database, "test") as alerts:
        alerts.silence({"room": "backup"}, "kim", "the storage is moved", HOUR)
        [silence] = alerts.silences()
    assert (silence.owner, silence.ends_at - silence.begins_at) == ("kim", HOUR)
    assert alerted.look_at_backups() == {}
    alerted.pass_time(2 * HOUR)
    assert "firing B01" in alerted.look_at_backups()["ops"]


def test_what_nobody_takes_is_tried_again_and_given_up_after_a_day(alerted: Alerted) -> None:
    alerted.hook.status = 503
    alerted.look_at_backups()
    waiting = alerted.deliver()
    refused = "the message to ops by webhook was not taken: HTTP 503 Service Unavailable"
    assert (waiting.sent, waiting.errors) == (0, [refused])
    assert alerted.deliver().errors == [], "not again at once"
    [(least, most)] = alerted.run("SELECT min(due_at - now()), max(due_at - now()) FROM outbox")
    assert timedelta(seconds=50) < least <= most < timedelta(seconds=61)

    alerted.pass_time(2 * MINUTE)
    assert len(alerted.deliver().errors) == 1
    [(least,)] = alerted.run("SELECT min(due_at - now()) FROM outbox")
    assert timedelta(seconds=110) < least < timedelta(seconds=121), "longer each time"
    alerted.hook.status = 200
    alerted.pass_time(3 * MINUTE)
    assert (alerted.deliver().sent, alerted.deliver().sent) == (1, 0)
    ids = [headers["X-Agentpg-Message-Id"] for headers in alerted.hook.headers]
    assert (len(ids), len(set(ids))) == (3, 1), "a repeat can be recognised"

    alerted.hook.status = 503
    alerted.run(
        "UPDATE outbox SET sent_at = NULL, due_at = now(), created_at = now() - interval '25 h'"
    )
    assert len(alerted.deliver().errors) == 1
    assert alerted.run("SELECT count(*) FROM outbox WHERE given_up_at IS NOT NULL") == [(1,)]
    alerted.pass_time(HOUR)
    assert alerted.deliver().errors == []


def test_a_decision_that_is_not_kept_tells_nobody(alerted: Alerted) -> None:
    alerted.run("ALTER TABLE outbox ADD CONSTRAINT none CHECK (false)")
    with pytest.raises(Exception, match="none"):
        alerted.look_at_backups()
    assert alerted.run("SELECT count(*) FROM alerts WHERE state = 'firing'") == [(0,)]
    alerted.run("ALTER TABLE outbox DROP CONSTRAINT none")
    assert "firing B01" in alerted.look_at_backups()["ops"]


def test_what_could_not_be_looked_at_is_one_alert_of_a_room(alerted: Alerted) -> None:
    found = alerted.run("SELECT code, level, condition FROM alerts WHERE code = 'N05'")
    rooms = [condition["subject"] for _, _, condition in found]
    assert sorted(rooms) == sorted(set(rooms)), "one of each"
    assert {level for _, level, _ in found} <= {"unknown"}


def test_rooms_are_looked_at_the_less_often_the_more_they_cost() -> None:
    def due(minutes: int, *alerts: object) -> set[str]:
        costs = {"connection": 0.1, "backup": 0.1, "disk": 6.0}
        looks = {room: Looked(room, NOW - minutes * MINUTE, costs.get(room, 0.1)) for room in ROOMS}
        return set(due_rooms(looks, alerts, NOW))  # type: ignore[arg-type]

    assert due(0) == set()
    assert due(1) == set(ROOMS) - {"backup", "settings", "plans", "indexes", "disk"}
    assert due(10) == set(ROOMS) - {"backup", "settings", "plans", "indexes"}
    assert due(15) == set(ROOMS)
    pending = an_alert(a_condition(), state="pending")
    assert "backup" in due(1, pending), "what is about to fire is looked at closely"
    assert set(due_rooms({}, (), NOW)) == set(ROOMS)


def test_what_was_decided_elsewhere_is_taken_over_once(alerted: Alerted) -> None:
    """Two machines have told of one outage; the message that nobody took goes on being tried."""
    first, second = (an_alert(a_condition("C04", room="connection")) for _ in range(2))
    for one in (first, second):
        unsent = Undelivered(replace(a_message(one), id=uuid7()), "webhook", 3, "HTTP 503")
        with kept_alerts(alerted.database, "test") as alerts:
            for _ in ("the answer is lost", "again"):
                alerts.merge([replace(one, fired_at=NOW)], [unsent])
    kept = alerted.run("SELECT id, state FROM alerts WHERE code = 'C04'")
    assert kept == [(first.id, "firing")]
    waiting = alerted.run("SELECT contact, way, attempts, created_at FROM outbox")
    assert waiting == [("ops", "webhook", 3, NOW)] * 2


def test_names_that_are_no_text_keep_nobody_from_being_told(alerted: Alerted) -> None:
    """Files have names in bytes; jsonb takes neither those, nor NUL, nor what is no number."""
    nasty = a_condition(
        "D09",
        room="disk",
        subject="a\0b\udcff",
        evidence={"names": ["\udcff\r\nBcc: x@y", "\0"], "share": float("nan")},
        remedies=(Remedy(sentence="Remove it.", command="rm '\udcff'"),),
    )
    look = Look(conditions=[nasty], rooms=frozenset({"disk"}))
    with kept_alerts(alerted.database, "test") as alerts:
        decisions = [
            alerts.decide(look, replace(alerted.policy, routes=()), {"disk": 0.1}) for _ in range(2)
        ]
    assert "ops" in decisions[-1].told
    assert alerted.deliver().errors == []


def test_a_clock_that_was_ahead_neither_repeats_nor_delays(alerted: Alerted) -> None:
    """It was a day ahead, for the first look, and has been set right."""
    day = timedelta(days=1)
    alerted.run("UPDATE alerts SET since = since + %(day)s, seen_at = seen_at + %(day)s", day=day)
    alerted.run("UPDATE looks SET looked_at = looked_at + %(day)s", day=day)
    told = alerted.look()
    assert told.looked.look.rooms == set(ROOMS)
    assert "ops" in told.decision.told
    assert alerted.look_at_backups() == {}, "it was told"
    alerted.run("UPDATE outbox SET due_at = due_at + %(day)s", day=day)
    assert alerted.deliver().sent == len(told.decision.told)


def test_a_way_that_fails_is_tried_once_and_keeps_nobody_waiting(alerted: Alerted) -> None:
    told = alerted.look_at_backups()
    # At the usual port for mail nobody listens.
    dba = replace(alerted.policy.contacts["dba"], addresses=("dba@corp.internal",))
    contacts = {**alerted.policy.contacts, "dba": dba}
    alerted.policy = replace(alerted.policy, contacts=contacts)
    _post_as(alerted, "email")
    delivered = alerted.deliver()
    assert (delivered.sent, len(delivered.errors)) == (len(told), 1)


def test_a_way_that_is_no_longer_set_keeps_no_message_waiting(alerted: Alerted) -> None:
    told = alerted.look_at_backups()
    _post_as(alerted, "email")
    delivered = alerted.deliver()
    assert (delivered.sent, delivered.errors, delivered.dropped) == (len(told), [], 3 * len(told))
    closed = alerted.run(
        "SELECT DISTINCT error, given_up_at IS NULL FROM outbox WHERE way = 'email'"
    )
    assert closed == [("the way email to dba is no longer set", False)]
    alerted.pass_time(2 * HOUR)
    assert alerted.deliver().dropped == 0, "and it is not tried again"
    with kept_alerts(alerted.database, "test") as alerts:
        state = alerts.state()
    assert (state["given_up"], state["last_error"]) == (0, None), "that is no news"


def _post_as(alerted: Alerted, way: str) -> None:
    """Let the messages be for this way to dba, too, three times each."""
    alerted.run(
        "INSERT INTO outbox (contact, way, message, due_at)"
        " SELECT 'dba', %(way)s, message, due_at - n * interval '1 s'"
        " FROM outbox, generate_series(1, 3) n",
        way=way,
    )


def test_an_alert_goes_by_the_thing_and_not_by_its_instance(alerted: Alerted) -> None:
    """The newest backup is too old, and then another one is."""
    alerted.watched.backup(4 * timedelta(days=1))
    assert "firing B01" in alerted.look_at_backups()["ops"]
    before = alerted.run("SELECT id, condition->>'subject' FROM alerts WHERE code = 'B01'")
    alerted.watched.backup(3 * timedelta(days=1))
    assert "B01" not in str(alerted.look_at_backups())
    after = alerted.run("SELECT id, condition->>'subject' FROM alerts WHERE code = 'B01'")
    assert [one for one, _ in after] == [one for one, _ in before]
    assert after[0][1] > before[0][1], "and it tells of the newer one"


def test_given_up_is_no_news_once_messages_are_taken_again(alerted: Alerted) -> None:
    alerted.look_at_backups()
    alerted.run("UPDATE outbox SET given_up_at = now() - interval '1 h'")
    with kept_alerts(alerted.database, "test") as alerts:
        assert alerts.state()["given_up"] > 0
        alerted.run(
            "INSERT INTO outbox (contact, way, message, sent_at)"
            " SELECT contact, way, message, now() FROM outbox"
        )
        assert alerts.state()["given_up"] == 0


def test_what_is_long_over_is_forgotten(alerted: Alerted) -> None:
    """Of tasks only the completed looks, whatever the settings keep."""
    rows = [
        ("HealthAgent", "look", "completed", 9),
        ("HealthAgent", "look", "completed", 7),
        ("HealthAgent", "look", "failed", 9),
        ("Billing", "look", "completed", 9),
    ]
    for agent, kind, status, days in rows:
        alerted.run(
            "WITH t AS (INSERT INTO tasks (agent_name, task_type, status, created_at, finished_at)"
            " VALUES (%(agent)s, %(kind)s, %(status)s, now() - %(age)s, now() - %(age)s)"
            " RETURNING id) INSERT INTO agent_executions (task_id, attempt, agent_name,"
            " task_type, execution_start, execution_end, outcome)"
            " SELECT id, 1, %(agent)s, %(kind)s, now() - %(age)s, now() - %(age)s, %(status)s"
            " FROM t",
            agent=agent, kind=kind, status=status, age=timedelta(days=days),
        )  # fmt: skip
    with kept_alerts(alerted.database, "test") as alerts:
        alerts.forget("HealthAgent", ("look", "tell"))
    left = alerted.run(
        "SELECT agent_name, status, (now() - created_at)::text FROM tasks ORDER BY 1"
    )
    assert [(agent, status, age[:1]) for agent, status, age in left] == [
        ("Billing", "completed", "9"),
        ("HealthAgent", "completed", "7"),
        ("HealthAgent", "failed", "9"),
    ]
    assert alerted.run("SELECT count(*) FROM agent_executions") == [(3,)]


def test_a_room_that_fails_or_hangs_keeps_nobody_from_being_told(
    alerted: Alerted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The repository is a pipe that nobody writes to, as a storage that has gone; and a bug."""
    os.mkfifo(tmp_path / "hanging")
    module = ModuleType("hanging_room")
    module.CHECKS = CHECKS  # type: ignore[attr-defined]
    module.examine = lambda *given: (tmp_path / "hanging").read_text()  # type: ignore[attr-defined]
    broken = ModuleType("broken_room")
    broken.CHECKS = CHECKS  # type: ignore[attr-defined]
    broken.examine = lambda *given: 1 / 0  # type: ignore[attr-defined]
    for one in (module, broken):
        monkeypatch.setitem(sys.modules, one.__name__, one)
        monkeypatch.setitem(ROOMS, one.__name__.removesuffix("_room"), Room(one.__name__, ""))
    monkeypatch.setattr(looking, "_PATIENCE", timedelta(seconds=0.3))
    look = look_at(alerted.database, alerted.settings, ["hanging", "broken"]).look
    assert {one.room: one.evidence["why"] for one in look.conditions} == {
        "hanging": "it takes longer than 2 minutes",
        "broken": "ZeroDivisionError: division by zero",
    }
    with (tmp_path / "hanging").open("w") as pipe:
        pipe.write("")


def test_what_a_role_may_not_see_is_told_in_one_message(
    database: Database, superuser_dsn: Callable[..., str], tmp_path: Path
) -> None:
    role = f"watcher_{database.name()}"
    administrator = connect(Database(superuser_dsn(database.name())))
    with receiver() as hook, administrator:
        administrator.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'".encode())
        try:
            blind = f"{database.dsn} user={role} password=x"
            routes = "N05=dba *=nobody"
            alerted = Alerted(database, tmp_path, hook, dsn_monitor=blind, notify_routes=routes)
            rooms = ["security", "vacuum", "notify", "slow"]
            look = look_at(Database(blind, database.schema), alerted.settings, rooms).look
        finally:
            administrator.execute(f"DROP ROLE {role}".encode())
        with kept_alerts(database, "test") as alerts:
            decisions = [alerts.decide(look, alerted.policy, {}) for _ in range(2)]
        told = decisions[-1].told
        assert set(told) == {"dba"}
        subjects = [event.alert.condition.subject for event in told["dba"]]
        assert len(subjects) == len(set(subjects)) > 1, "each room once"
        assert alerted.deliver().sent == 1
