"""Each alert rule fires on what a real server tells while its condition is there, names the
culprit, and is over afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.monitor import tally
from agentpg.desk.monitor.metrics.serving import write_file
from agentpg.embedded.folder import Folder, known_passwords
from agentpg.schema import migrate
from tests.desk.backup.watched import DAY, HOUR
from tests.desk.monitor.quarrel import quarrel
from tests.desk.monitor.ruled import (
    Case,
    Scrape,
    promtool_says,
    scraped,
    shipped_rules,
    used_labels,
)
from tests.desk.monitor.trouble import (
    EXECUTIONS,
    OPTIONS,
    TOGETHER,
    TRANSACTIONS,
    Place,
    crowd,
    damaged,
    hidden,
    standby_gone,
    uncollected,
)
from tests.servers import SCHEMA, Mould, OwnServers, Reaper
from tests.waiting import eventually

PROMTOOL = shutil.which("promtool")

pytestmark = pytest.mark.one_server


@pytest.fixture(scope="module")
def place(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("rules")
    servers = OwnServers(folder, reaper, mould)
    primary = servers(options=OPTIONS)
    status = primary.start()
    password = known_passwords(Folder(status.data.parent.parent))["postgres"]
    mould.cast(folder / "standby", 1)
    source = f"host={status.socket_dir} port={status.port} user=postgres password={password}"
    options = {
        **OPTIONS,
        # Not less than the primary ever had.
        "max_connections": "200",
        "primary_conninfo": source,
        "wal_receiver_status_interval": "1",
    }
    standby = servers(home=folder / "standby", options=options)
    (standby.status().data / "standby.signal").touch()
    migrate(Database(primary.dsn(), SCHEMA))
    made = Place(primary, standby, folder)
    well = made.repository("well")
    well.healthy()
    old = made.repository("old")
    old.backup(27 * HOUR)
    old.drill(old.backup(10 * DAY), 9 * DAY)
    made.repository("none")
    with connect(made.database) as connection:
        outcomes = ["completed"] * 20 + ["failed", "lost"]
        connection.execute(EXECUTIONS.encode(), (outcomes,))
    yield made
    servers.close()


@pytest.fixture(scope="module")
def scrapes(place: Place) -> Mapping[str, Scrape]:
    """All that is scraped, by what is wrong then."""
    said: dict[str, Scrape] = {}
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(tally, "_BEHIND_SECONDS", 0.0)
        said["away"] = stack.enter_context(damaged(place))
        place.standby.start()
        eventually(lambda: _streams(place), message="the standby streams")
        file, written = place.folder / "metrics.prom", place.collecting()
        write_file(written, file)
        written.close()
        said["well"] = scraped(file.read_text())
        place.run(TRANSACTIONS)
        said["rolled back"] = place.scrape()
        with ExitStack() as trouble:
            trouble.enter_context(quarrel(place.database))
            for condition in TOGETHER:
                trouble.enter_context(condition(place))
            said["sick"] = place.scrape("old")
            said["later"] = place.scrape("old")
        said["no backup"] = place.scrape("none")
        # Nobody has written it anew.
        said["old file"] = scraped(file.read_text())
        with crowd(place):
            said["crowd"] = place.scrape()
        with hidden(place) as dsn:
            said["hidden"] = place.scrape(dsn=dsn)
        with uncollected(place):
            said["uncollected"] = place.scrape()
        with standby_gone(place):
            said["standby gone"] = place.scrape()
        eventually(lambda: _streams(place), message="the standby streams again")
        aged = "SELECT max(age(datfrozenxid)) < 100000 FROM pg_database"
        eventually(lambda: place.run(aged) == [(True,)], message="autovacuum freezes")
        said["after"] = place.scrape()
    return said


def _streams(place: Place) -> bool:
    found = place.run(
        "SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication"
        " WHERE state = 'streaming'"
    )
    return found == [(True,)]


# The rule, what is wrong, the labels that name it, how it goes on, for how many minutes it lasts,
# and after how many it must fire.
_NAMED = {"datname": "agentic_ai"}
_CLOCK: dict[str, object] = {"grows": "by the clock"}
_AGAIN: dict[str, object] = {"grows": "again"}
_CASES: dict[str, dict[str, object]] = {
    "PostgresDown": {"sick": "away"},
    "MetricsNotCollected": {"sick": "uncollected", "labels": {"collector": "schedules"}},
    "MetricsOld": {"sick": "old file"},
    "SessionsHidden": {"sick": "hidden"},
    "ConnectionsNearlyUsed": {"sick": "crowd"},
    "ConnectionsUsed": {"sick": "crowd"},
    "TransactionLeftOpen": {"labels": _NAMED, **_CLOCK},
    "TransactionLong": {"labels": _NAMED, **_CLOCK, "minutes": 40, "fires": 35},
    "SessionsBlocked": _CLOCK,
    "Deadlocks": {"labels": _NAMED, "fires": 2},
    "RollbacksMany": {"sick": "rolled back", "labels": _NAMED, **_AGAIN},
    "PagesDamaged": {"labels": _NAMED, "fires": 5},
    "TemporaryFilesLarge": {"labels": _NAMED, **_AGAIN, "minutes": 70, "fires": 65},
    "WraparoundComes": {},
    "DeadRowsKept": {"labels": {"holder": "session"}, **_AGAIN, "minutes": 110, "fires": 105},
    "DeadRowsMany": {
        "labels": {"relname": "worn", "schemaname": "agentic_ai"},
        "minutes": 40,
        "fires": 35,
    },
    "ArchivingFails": {},
    "SlotUnused": {"labels": {"slot_name": "left_behind"}},
    "StandbyBehind": {**_AGAIN, "minutes": 110, "fires": 105},
    "StandbyGone": {"sick": "standby gone"},
    "CheckpointsRequested": {"fires": 5},
    "RestartPending": {"minutes": 1450, "fires": 1445},
    "TasksWithoutWorker": {},
    "WorkerSilent": {"labels": {"state": "silent"}},
    "TasksWait": {"labels": {"agent": "Nobody"}},
    "ExecutionsFail": {"labels": {"agent": "Billing"}, "fires": 8},
    "ExecutionsLost": {"labels": {"agent": "Billing", "outcome": "lost"}, "fires": 5},
    "SchedulesLate": {},
    "BackupOld": {},
    "BackupMissing": {"sick": "no backup", "minutes": 70, "fires": 65},
    "BackupNotProved": {"minutes": 70, "fires": 65},
}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_every_rule_fires_names_the_culprit_and_is_over(
    scrapes: Mapping[str, Scrape], tmp_path: Path
) -> None:
    assert PROMTOOL is not None
    cases = []
    for alert, said in _CASES.items():
        more = {name: value for name, value in said.items() if name != "sick"}
        sick = scrapes[str(said.get("sick", "sick"))]
        well, after, later = (scrapes[name] for name in ("well", "after", "later"))
        cases.append(Case(alert=alert, well=well, sick=sick, after=after, later=later, **more))  # type: ignore[arg-type]
    code, words = promtool_says(PROMTOOL, cases, tmp_path)
    assert code == 0, words


@pytest.mark.without_server
def test_no_rule_is_left_out_and_each_has_what_its_text_names() -> None:
    rules = shipped_rules()
    assert set(rules) == set(_CASES)
    for name, rule in rules.items():
        labels = _CASES[name].get("labels", {})
        assert isinstance(labels, Mapping)
        assert used_labels(rule) <= set(labels), name
