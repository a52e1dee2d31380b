"""People are told also where the database is the trouble: a server that is stopped for real."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.alerting.watching import Watch
from agentpg.embedded import EmbeddedServer
from agentpg.errors import SchemaMissing
from agentpg.notify.kept import kept_alerts
from agentpg.notify.patience import Patience
from agentpg.notify.policy import Route
from agentpg.schema import migrate
from tests.desk.alerting.alerted import Alerted
from tests.hook_receiver import Receiver, receiver
from tests.servers import OwnServers
from tests.waiting import eventually

pytestmark = pytest.mark.one_server


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as listening:
        yield listening


@pytest.fixture
def server(own_server: OwnServers) -> EmbeddedServer:
    started = own_server()
    started.start()
    return started


@pytest.fixture
def alerted(server: EmbeddedServer, tmp_path: Path, hook: Receiver) -> Alerted:
    """The installation on that server; all that concerns the connection goes to ops."""
    database = Database(server.dsn())
    migrate(database)
    routes = "connection=ops *=nobody"
    made = Alerted(database, tmp_path, hook, notify_routes=routes)
    made.look()
    return made


@pytest.fixture
def watch(alerted: Alerted) -> Watch:
    return Watch(lambda: alerted.database, alerted.settings, alerted.policy)


def test_an_outage_is_told_once_and_that_it_is_over(
    server: EmbeddedServer, alerted: Alerted, watch: Watch
) -> None:
    hook = alerted.hook
    alerted.run("UPDATE alerts SET state = 'firing', fired_at = now()")
    watch.step()
    other = next(iter(alerted.run("SELECT id FROM alerts")))
    alerted.run("UPDATE alerts SET acked_by = 'kim', acked_at = now()")
    server.stop("immediate")
    watch.step()
    assert hook.bodies == [], "it might be a restart"
    hook.status = 503
    watch.step()
    hook.status = 200
    for _ in range(3):
        watch.step()
    refused, *more = hook.documents()
    assert more == [], "it is tried again in a minute, and nothing new is said"
    _let_it_be_due(alerted)
    watch.step()
    watch.step()
    taken, *more = hook.documents()[1:]
    assert more == [], "each outage is told once"
    assert taken["messageId"] == refused["messageId"]
    [alert] = taken["alerts"]
    assert alert["labels"]["room"] == "connection"
    assert alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["command"], "what starts it"

    server.start()
    watch.step()
    with kept_alerts(alerted.database, "test") as alerts:
        [open_one] = [a for a in alerts.open_alerts() if a.condition.room == "connection"]
    assert (open_one.state, open_one.told) == ("firing", ("ops",))
    kept = alerted.run("SELECT acked_by FROM alerts WHERE id = %(id)s", id=other[0])
    assert kept == [("kim",)], "what was done after the last look is not undone"
    for _ in range(2):
        alerted.run("UPDATE looks SET looked_at = now() - interval '1 h' WHERE room = 'connection'")
        alerted.look()
    alerted.deliver()
    watch.step()
    [over] = hook.documents()[2:]
    assert over["status"] == "resolved"
    assert over["alerts"][0]["fingerprint"] == alert["fingerprint"]


def test_what_another_watch_has_begun_is_gone_on_with(
    server: EmbeddedServer, alerted: Alerted, watch: Watch
) -> None:
    """Its worker was killed meanwhile; and a silence holds although nobody can be asked."""
    with kept_alerts(alerted.database, "test") as alerts:
        alerts.silence({"room": "connection"}, "kim", "it is moved", timedelta(seconds=90))
    watch.step()
    server.stop("immediate")
    for _ in range(3):
        watch.step()
    assert alerted.hook.bodies == []
    state = alerted.settings.home / "notify" / "state.json"
    assert stat.S_IMODE(state.parent.stat().st_mode) == 0o700, "for nobody else"
    held = json.loads(state.read_text())
    held["silences"] = []
    state.write_text(json.dumps(held))
    other = Watch(lambda: alerted.database, alerted.settings, alerted.policy)
    other.step()
    other.step()
    assert len(alerted.hook.bodies) == 1


def test_one_process_of_a_machine_watches(alerted: Alerted, watch: Watch) -> None:
    with watch._aside.in_charge() as is_mine:
        assert is_mine
        other = Watch(lambda: alerted.database, alerted.settings, alerted.policy)
        with other._aside.in_charge() as is_also_mine:
            assert not is_also_mine


def test_where_health_agent_is_silent_it_looks_itself(alerted: Alerted, watch: Watch) -> None:
    watch.step()
    [before] = alerted.run("SELECT looked_at FROM looks WHERE room = 'health'")
    watch.step()
    assert alerted.run("SELECT looked_at FROM looks WHERE room = 'health'") == [before]
    watch._begun -= 3600
    alerted.run("UPDATE looks SET looked_at = looked_at - interval '10 minutes'")
    watch.step()
    [after] = alerted.run("SELECT looked_at FROM looks WHERE room = 'health'")
    assert after > before


def test_a_database_that_takes_no_work_is_told_past_it(alerted: Alerted, watch: Watch) -> None:
    name = alerted.database.name()
    alerted.run("UPDATE looks SET looked_at = looked_at - interval '10 minutes'")
    alerted.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    watch._begun -= 3600
    only = (
        Route(pattern="notify", level="warning", contacts=("ops",)),
        Route(pattern="*", level="info", contacts=()),
    )
    watch._policy = replace(alerted.policy, routes=only)
    watch.step()
    watch.step()
    [document] = alerted.hook.documents()
    [alert] = [one for one in document["alerts"] if one["labels"]["alertname"] == "N06"]
    assert "read-only" in alert["annotations"]["summary"]


def test_a_schema_that_is_not_there_is_nobodys_night(
    own_server: OwnServers, tmp_path: Path, hook: Receiver
) -> None:
    server = own_server()
    server.start()
    alerted = Alerted(Database(server.dsn(), "elsewhere"), tmp_path, hook)
    with pytest.raises(SchemaMissing):
        Watch(lambda: alerted.database, alerted.settings, alerted.policy).step()
    assert hook.bodies == []


def test_a_disk_that_is_full_keeps_nobody_from_being_told(
    server: EmbeddedServer, alerted: Alerted, watch: Watch
) -> None:
    """The same disk may be the database's: nothing can be kept aside, not even the lock."""
    watch.step()
    server.stop("immediate")
    folder = alerted.settings.home / "notify"
    for name in ("state.json", "lock"):
        (folder / name).unlink()
        (folder / name).mkdir()
    for _ in range(4):
        watch.step()
    [document] = alerted.hook.documents()
    assert document["alerts"][0]["labels"]["room"] == "connection"


def test_what_nobody_takes_for_long_does_not_repeat_what_was_taken(
    server: EmbeddedServer, alerted: Alerted, watch: Watch
) -> None:
    """Two days of outage, and one way is gone for good."""
    watch.step()
    server.stop("immediate")
    watch.step()
    alerted.hook.status = 503
    watch.step()
    state = alerted.settings.home / "notify" / "state.json"
    held = json.loads(state.read_text())
    [first] = held["waiting"]
    later = {**first, "message": {**first["message"], "contact": "dba"}}
    held["waiting"] = [{**first, "attempts": 60}, later, {**later, "way": "email"}]
    state.write_text(json.dumps(held))
    _let_it_be_due(alerted)
    watch.step()
    left = json.loads(state.read_text())["waiting"]
    assert [one["attempts"] for one in left] == [61, first["attempts"] + 1]
    assert all(one["due_at"] > one["message"]["made_at"] for one in left)


def test_a_schema_that_goes_is_told(alerted: Alerted, watch: Watch) -> None:
    watch.step()
    alerted.run("DROP SCHEMA agentic_ai CASCADE")
    watch._policy = replace(alerted.policy, routes=())
    for _ in range(2):
        watch.step()
    told = [one["labels"]["alertname"] for d in alerted.hook.documents() for one in d["alerts"]]
    assert "N06" in told


def test_a_standby_that_is_gone_holds_up_no_message(
    server: EmbeddedServer, alerted: Alerted
) -> None:
    """Every commit waits for it to confirm, for ever."""
    alerted.look()
    alerted.run("INSERT INTO outbox (contact, way, message) VALUES ('ops', 'none', '{}')")
    with connect(Database(server.dsn("postgres", "postgres"))) as administrator:
        administrator.execute("ALTER SYSTEM SET synchronous_standby_names = 'gone'")
        administrator.execute("SELECT pg_reload_conf()")
    done = Patience(timedelta(seconds=20))
    assert done.get(alerted.look, "look").looked.look.rooms is not None
    with kept_alerts(alerted.database, "test") as alerts:
        assert done.get(alerts.is_due, "due")
        with pytest.raises(KeyError):
            done.get(alerts.take, "take")


def test_a_server_that_does_not_answer_any_more_is_told(alerted: Alerted, watch: Watch) -> None:
    """It lets one in, and then hangs, as with its disk."""
    watch._patience = Patience(timedelta(seconds=3))
    watch.step()
    watch._policy = replace(alerted.policy, routes=())
    stopped: list[int] = []
    with kept_alerts(alerted.database, "test") as alerts, alerts._connection.transaction():
        alerts._begin()
        step = Patience(timedelta(seconds=1))
        with pytest.raises(TimeoutError):
            step.get(watch.step, "step")
        [[stopped]] = alerted.run(
            "SELECT array_agg(pid) FROM pg_stat_activity WHERE application_name = 'agentpg watch'"
        )
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: step._thread is not None and not step._thread.is_alive())
        Patience(timedelta(seconds=20)).get(watch.step, "step")
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    told = [one["labels"]["alertname"] for d in alerted.hook.documents() for one in d["alerts"]]
    assert "N06" in told


def _let_it_be_due(alerted: Alerted) -> None:
    state = alerted.settings.home / "notify" / "state.json"
    held = json.loads(state.read_text())
    for one in held["waiting"]:
        one["due_at"] = one["message"]["made_at"]
    state.write_text(json.dumps(held))
