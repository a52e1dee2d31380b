"""`agentpg notify`: who is told, what is open, and who takes care of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database
from agentpg.notify.deciding import Look
from agentpg.notify.kept import kept_alerts
from agentpg.notify.policy import policy_of
from agentpg.schema import migrate
from agentpg.settings import load_settings
from tests.cli.conftest import Call, Running
from tests.hook_receiver import Receiver, receiver
from tests.notify.sample import a_condition
from tests.servers import OwnServers
from tests.waiting import eventually

pytestmark = pytest.mark.one_server


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """The way to both contacts."""
    with receiver() as listening:
        for name in ("DBA", "OPS"):
            monkeypatch.setenv(f"AGENTPG_NOTIFY_{name}_WEBHOOK", f"{listening.url}/s3cret")
        yield listening


@pytest.fixture
def alerted(installed: Database, hook: Receiver) -> Database:
    """Two alerts that fire, and one that is about to."""
    policy = policy_of(load_settings())
    conditions = [a_condition(), a_condition("B02", "warning", subject="public." + "t" * 80)]
    with kept_alerts(installed, "test") as alerts:
        for more in ([], [a_condition("B09", contact="dba")]):
            look = Look(conditions=[*conditions, *more], rooms=frozenset({"backup"}))
            alerts.decide(look, policy, {"backup": 0.1})
    return installed


def test_the_list_shows_what_is_open_and_who_takes_care(call: Call, alerted: Database) -> None:
    called = call("notify", "list")
    assert called.code == 0
    levels = re.findall(r"^[0-9a-f]{8}  (\w+)", called.out, re.MULTILINE)
    assert levels == ["critical", "critical", "warning"]
    assert call("notify", "ack", "B01", "--by", "kim", "--note", "ticket 4711").code == 0
    [first, *_] = json.loads(call("notify", "list", "--json").out)["alerts"]
    assert (first["acked_by"], first["ack_note"], first["told"]) == ("kim", "ticket 4711", ["ops"])
    assert re.search(r"acknowledged.*kim", call("notify", "list").out)
    shown = call("notify", "show", first["short_id"])
    for part in ("agentpg backup create", "ticket 4711", "docs/reference/findings/backup.md#b01"):
        assert part in shown.out


def test_a_silence_is_made_shown_and_ended(call: Call, alerted: Database) -> None:
    words = ("--for", "2h", "--reason", "the storage is moved", "--by", "kim")
    made = call("notify", "silence", "room=back*", "code=B0?", *words, "--json")
    silence = json.loads(made.out)
    assert silence["matchers"] == {"room": "back*", "code": "B0?"}
    listed = call("notify", "list").out
    assert "silenced" in listed
    assert "the storage is moved" in listed
    assert call("notify", "unsilence", silence["id"][-8:]).code == 0
    assert "silenced" not in call("notify", "list").out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("ack", "B77"), 1, "no open alert is B77"),
        (("show", "0"), 1, "no open alert is 0"),
        (("unsilence", "abcd1234"), 1, "no silence in force is abcd1234"),
        (("silence", "backup", "--for", "1h", "--reason", "x"), 2, "'backup' does not say what"),
        (("silence", "codes=B01", "--for", "1h", "--reason", "x"), 2, "'codes=B01' does not say"),
        (("silence", "code=B01", "--for", "365d", "--reason", "x"), 2, "--for takes up to 92d"),
        (("silence", "code=B01", "--for", "1h"), 2, "--reason"),
        (("test", "boss"), 2, "boss"),
    ],
)
def test_what_was_typed_wrong_says_so(
    call: Call, installed: Database, arguments: tuple[str, ...], code: int, said: str
) -> None:
    called = call("notify", *arguments)
    assert (called.code, said in called.err) == (code, True), called.err


def test_a_test_says_what_came_of_each_way(
    call: Call, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = call("notify", "test")
    assert called.code == 0, "it needs no database"
    assert re.findall(r"^(dba|ops) webhook ok: ", called.out, re.MULTILINE) == ["dba", "ops"]
    assert [one["receiver"] for one in hook.documents()] == ["dba", "ops"]
    hook.status = 500
    called = call("notify", "test", "ops", "--json")
    assert called.code == 1
    [tried] = json.loads(called.out)
    assert "HTTP 500" in tried["error"]
    assert "s3cret" not in called.out + call("notify", "contacts").out
    monkeypatch.setenv("AGENTPG_NOTIFY_OPS_WEBHOOK", "")
    called = call("notify", "test", "ops")
    assert (called.code, "AGENTPG_NOTIFY_OPS_EMAIL" in called.err) == (2, True)


def test_the_addresses_of_the_guide_are_refused(
    call: Call, installed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_NOTIFY_DBA_EMAIL", "dba@company.com")
    called = call("config", "check")
    assert called.code == 2
    assert "an address for examples is never written to" in called.err


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_the_terminal(
    call: Call, alerted: Database, monkeypatch: pytest.MonkeyPatch, lang: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    reason = "the storage is moved to another building, which takes all night and some of the day"
    call("notify", "silence", "code=B02", "--for", "2h", "--reason", reason)
    monkeypatch.setenv("AGENTPG_NOTIFY_ROUTES", "disk=ops B*:critical=dba,ops")
    for arguments in (("list",), ("show", "B02"), ("contacts",), ("test",)):
        called = call("--lang", lang, "notify", *arguments)
        assert called.code == 0
        too_long = [line for line in called.out.splitlines() if cell_width(line) > columns]
        assert too_long == []


def test_a_worker_tells_that_its_server_is_gone(
    launch: Callable[..., Running],
    own_server: OwnServers,
    hook: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = own_server()
    server.start()
    database = Database(server.dsn())
    migrate(database)
    for name in ("DSN", "DSN_MONITOR"):
        monkeypatch.setenv(f"AGENTPG_{name}", database.dsn)
    monkeypatch.setenv("AGENTPG_NOTIFY_WATCH_INTERVAL", "200ms")
    monkeypatch.setenv("AGENTPG_NOTIFY_ROUTES", "connection=ops *=nobody")
    worker = launch("worker", "--built-in")
    worker.says("started, with")
    state = Path(str(load_settings().home)) / "notify" / "state.json"
    eventually(state.exists)
    server.stop("immediate")
    [told] = eventually(hook.documents)
    assert {alert["labels"]["room"] for alert in told["alerts"]} == {"connection"}
    worker.tell()
    worker.ends()
