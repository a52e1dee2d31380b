"""What is proposed for which machine and work, decided on facts alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.settings import units
from agentpg.desk.doctor.settings.durability import lowers_durability
from agentpg.desk.doctor.settings.facts import (
    Checkpoints,
    Facts,
    Machine,
    Role,
    Server,
    Setting,
    Written,
)
from agentpg.desk.doctor.settings.findings import CHECKS, find
from agentpg.desk.doctor.settings.looking import Given, refuse_beyond
from agentpg.desk.doctor.settings.machine import ELSEWHERE
from agentpg.desk.doctor.settings.policy import Policy
from agentpg.desk.doctor.settings.proposal import Proposal
from agentpg.desk.doctor.settings.proposing import propose
from agentpg.desk.tune.settings_applying import choose
from agentpg.errors import MachineTooSmall, SettingPinned

pytestmark = pytest.mark.without_server

_GIB = 1024**3

# Name, value, unit: a server that was set for the machine below.
_SETTINGS = {
    "shared_buffers": ("524288", "8kB"),
    "effective_cache_size": ("1310720", "8kB"),
    "maintenance_work_mem": ("1048576", "kB"),
    "work_mem": ("16384", "kB"),
    "max_connections": ("100", ""),
    "autovacuum_max_workers": ("3", ""),
    "max_wal_size": ("1024", "MB"),
    "checkpoint_completion_target": ("0.9", ""),
    "random_page_cost": ("1.1", ""),
    "effective_io_concurrency": ("200", ""),
    "track_io_timing": ("on", ""),
    "shared_preload_libraries": ("pg_stat_statements", ""),
    "idle_in_transaction_session_timeout": ("300000", "ms"),
    "statement_timeout": ("0", "ms"),
    "max_slot_wal_keep_size": ("1024", "MB"),
    "fsync": ("on", ""),
    "enable_seqscan": ("on", ""),
    "synchronous_commit": ("on", ""),
    "synchronous_standby_names": ("", ""),
}


def a_setting(name: str, value: str, unit: str) -> Setting:
    return Setting(
        name=name,
        value=value,
        default_value="on" if name.startswith("enable_") else "",
        unit=unit,
        kind="string",
        context="postmaster" if name == "shared_buffers" else "sighup",
        source="configuration file",
        file="",
        line=0,
        pending_restart=False,
    )


def facts(changed: dict[str, str] | None = None, **other: Any) -> Facts:
    settings = {
        name: a_setting(name, (changed or {}).get(name, value), unit)
        for name, (value, unit) in _SETTINGS.items()
    }
    server = Server(
        role="admin",
        database="agentic_ai",
        server_version=170000,
        in_recovery=False,
        superuser=True,
        sees_all=True,
        takes_alter_system=True,
        managed=False,
        process=1,
        data_folder=None,
        has_statements=True,
        slots=1,
        sessions=20,
        temp_bytes=0,
        asked_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    said: dict[str, Any] = {
        "server": server,
        "settings": settings,
        "file_errors": (),
        "pending": {},
        "hba_errors": (),
        "checkpoints": Checkpoints(timed=90, requested=10, seconds=86400.0),
        "wal": Written(written=86400 * 1024**2, seconds=86400.0),
        "roles": (Role(name="admin", superuser=False, replicates=False, owns=True, settings={}),),
        "own": (),
        "machine": Machine(ram_bytes=16 * _GIB, cpus=4, disk="ssd", volume_bytes=100 * _GIB),
        "kernel": Machine(),
    }
    return Facts(**{**said, **other})


def proposed(found: Facts) -> dict[str, Proposal]:
    return {one.label: one for one in propose(found, Policy())}


def test_a_server_that_fits_its_machine_is_let_be() -> None:
    assert proposed(facts()) == {}
    assert {one.level for one in find(facts(), Policy())} == {"ok"}


@pytest.mark.parametrize(
    ("setting", "value", "wanted", "level"),
    [
        ("shared_buffers", "16384", "4GB", "info"),
        ("shared_buffers", "1048576", "4GB", "warning"),
        ("effective_cache_size", "16384", "10GB", "info"),
        ("maintenance_work_mem", "65536", "1GB", "info"),
        ("maintenance_work_mem", "4194304", "1GB", "warning"),
        ("work_mem", "65536", "40MB", "info"),
        ("work_mem", "131072", "40MB", "warning"),
        ("max_connections", "1000", "4MB", "warning"),
        ("max_connections", "9000", "250", "warning"),
        ("checkpoint_completion_target", "0.5", "0.9", "info"),
        ("random_page_cost", "4", "1.1", "info"),
        ("track_io_timing", "off", "on", "info"),
        ("max_slot_wal_keep_size", "-1", "10GB", "warning"),
        ("fsync", "off", "on", "critical"),
        ("enable_seqscan", "off", "on", "warning"),
    ],
)
def test_each_rule(setting: str, value: str, wanted: str, level: str) -> None:
    [one] = proposed(facts({setting: value})).values()
    assert (one.proposed, one.level) == (wanted, level)
    assert one.name == ("work_mem" if value == "1000" else setting)
    assert one.reason()
    # What is applied is not proposed again.
    unit = _SETTINGS[one.name][1]
    number = units.in_unit(one.proposed, unit)
    done = one.proposed if number is None else f"{number:g}" if number < 1 else f"{number:.0f}"
    if number is not None and number != int(number):
        done = f"{number:g}"
    assert one.label not in proposed(facts({setting: value, one.name: done}))


def test_wal_for_five_minutes_as_far_as_the_disk_allows() -> None:
    forced = Checkpoints(timed=4, requested=6, seconds=3600.0)
    fast = Written(written=3600 * 32 * 1024**2, seconds=3600.0)
    one = proposed(facts(checkpoints=forced, wal=fast))["max_wal_size"]
    assert (one.proposed, one.level, one.values["percent"]) == ("17GB", "warning", 60)
    small = Machine(ram_bytes=16 * _GIB, cpus=4, disk="ssd", volume_bytes=10 * _GIB)
    assert proposed(facts(checkpoints=forced, wal=fast, machine=small))[
        "max_wal_size"
    ].proposed == ("2GB")
    full = replace(small, volume_bytes=2 * _GIB)
    [finding] = [
        one
        for one in find(facts(checkpoints=forced, wal=fast, machine=full), Policy())
        if one.code == "G08"
    ]
    assert (finding.level, "too small" in finding.message()) == ("warning", True)
    # Nine checkpoints say nothing.
    few = Checkpoints(timed=0, requested=9, seconds=3600.0)
    assert "max_wal_size" not in proposed(facts(checkpoints=few))


def test_wal_has_to_fit_into_what_is_free() -> None:
    forced = Checkpoints(timed=4, requested=6, seconds=3600.0)
    fast = Written(written=3600 * 32 * 1024**2, seconds=3600.0)
    nearly_full = Machine(volume_bytes=100 * _GIB, free_bytes=3 * _GIB)
    found = facts(
        {"max_slot_wal_keep_size": "-1"}, checkpoints=forced, wal=fast, machine=nearly_full
    )
    # A gigabyte is there already, and half of the rest is for others.
    assert proposed(found)["max_wal_size"].proposed == "2560MB"
    assert proposed(found)["max_slot_wal_keep_size"].proposed == "1536MB"


def test_sessions_that_are_open_or_reserved_stay_possible() -> None:
    server = facts().server
    assert isinstance(server, Server)
    many = facts({"max_connections": "9000"}, server=replace(server, sessions=400))
    assert isinstance(many.settings, dict)
    reserved = {
        "superuser_reserved_connections": a_setting("superuser_reserved_connections", "3", ""),
        "reserved_connections": a_setting("reserved_connections", "95", ""),
    }
    found = replace(many, settings={**many.settings, **reserved})
    # Twice 400, a pool of 10, and 98 reserved; the memory alone would allow 250.
    assert proposed(found)["max_connections"].proposed == "910"
    # Where they need what there is, nothing is lowered.
    least = {"max_connections": "300", "work_mem": str(512 * 1024)}
    assert "max_connections" not in proposed(facts(least, server=replace(server, sessions=200)))


@pytest.mark.parametrize(
    ("kind", "level", "asked"),
    [("ext4", "critical", False), ("zfs", "warning", True), (None, "warning", True)],
)
def test_full_page_writes_may_be_off_where_no_page_is_half_written(
    kind: str | None, level: str, asked: bool
) -> None:
    found = facts(kernel=Machine(file_system=kind))
    assert isinstance(found.settings, dict)
    off = {**found.settings, "full_page_writes": a_setting("full_page_writes", "off", "")}
    one = proposed(replace(found, settings=off))["full_page_writes"]
    assert (one.level, one.asked) == (level, asked)


def test_more_than_the_machine_has_is_not_believed() -> None:
    small = facts(kernel=Machine(ram_bytes=4 * _GIB, cpus=2))
    refuse_beyond(small, Given(ram_bytes=int(4.2 * _GIB), cpus=2))
    refuse_beyond(facts(kernel=ELSEWHERE), Given(ram_bytes=64 * _GIB, cpus=64))
    for given in (Given(ram_bytes=64 * _GIB), Given(cpus=3)):
        with pytest.raises(MachineTooSmall):
            refuse_beyond(small, given)


@pytest.mark.parametrize("source", ["command line", "environment variable"])
def test_what_the_start_gives_is_not_set(source: str) -> None:
    found = facts({"random_page_cost": "4"})
    assert isinstance(found.settings, dict)
    pinned = replace(found.settings["random_page_cost"], source=source)
    found = replace(found, settings={**found.settings, "random_page_cost": pinned})
    one = proposed(found)["random_page_cost"]
    assert one.pinned
    assert choose([one], []) == ()
    with pytest.raises(SettingPinned):
        choose([one], ["random_page_cost"])
    [finding] = [one for one in find(found, Policy()) if one.code == "G09"]
    assert [(remedy.sql, remedy.command) for remedy in finding.remedies] == [("", "")]


def test_what_might_keep_the_server_from_starting_is_asked_for() -> None:
    found = facts({"shared_buffers": "16384"})
    assert isinstance(found.settings, dict)
    assert not proposed(found)["shared_buffers"].asked
    pages = {**found.settings, "huge_pages": a_setting("huge_pages", "on", "")}
    assert proposed(replace(found, settings=pages))["shared_buffers"].asked
    server = found.server
    assert isinstance(server, Server)
    standby = replace(server, in_recovery=True)
    assert proposed(facts({"max_connections": "9000"}, server=standby)) == {}
    forced = Checkpoints(timed=4, requested=6, seconds=3600.0)
    unseen = Machine(ram_bytes=16 * _GIB, cpus=4, disk="ssd")
    assert proposed(facts(checkpoints=forced, machine=unseen))["max_wal_size"].asked


def test_more_memory_for_sorts_only_where_some_went_to_disk() -> None:
    server = facts().server
    assert isinstance(server, Server)
    small = {"work_mem": "4096"}
    assert proposed(facts(small)) == {}
    spilled = replace(server, temp_bytes=_GIB)
    assert proposed(facts(small, server=spilled))["work_mem"].proposed == "20MB"


def test_a_list_of_libraries_is_written_part_by_part() -> None:
    one = proposed(facts({"shared_preload_libraries": "auto_explain, pgaudit"}))
    assert one["shared_preload_libraries"].sql == (
        "ALTER SYSTEM SET shared_preload_libraries = "
        "'auto_explain', 'pgaudit', 'pg_stat_statements'"
    )


def test_time_outs_belong_to_roles_and_not_to_all_of_them() -> None:
    roles = (
        Role(name="admin", superuser=False, replicates=False, owns=True, settings={}),
        Role(name="Web app", superuser=False, replicates=False, owns=False, settings={}),
        Role(name="postgres", superuser=True, replicates=False, owns=True, settings={}),
        Role(name="replica", superuser=False, replicates=True, owns=False, settings={}),
        Role(
            name="done",
            superuser=False,
            replicates=False,
            owns=False,
            settings={
                "statement_timeout": "30s",
                "idle_in_transaction_session_timeout": "1min",
            },
        ),
    )
    found = proposed(facts({"idle_in_transaction_session_timeout": "0"}, roles=roles))
    assert set(found) == {
        "idle_in_transaction_session_timeout@admin",
        "idle_in_transaction_session_timeout@Web app",
        "statement_timeout@Web app",
    }
    assert all(one.asked for one in found.values())
    assert found["statement_timeout@Web app"].sql.startswith('ALTER ROLE "Web app" SET ')


def test_what_cannot_be_seen_is_no_good_news() -> None:
    elsewhere = facts({"random_page_cost": "4"}, machine=ELSEWHERE, kernel=ELSEWHERE)
    unknown = {one.code for one in find(elsewhere, Policy()) if one.level == "unknown"}
    assert unknown == {"G07", "G09", "G11"}
    here = facts({"random_page_cost": "4"}, machine=Machine(ram_bytes=16 * _GIB))
    [disk] = [one for one in find(here, Policy()) if one.code == "G09"]
    assert (disk.level, "is not known" in disk.message()) == ("info", True)
    nothing = Unlooked("it was refused")
    names = ("server", "settings", "file_errors", "pending", "hba_errors", "checkpoints", "roles")
    blind = replace(elsewhere, **dict.fromkeys(names, nothing))
    assert {one.level for one in find(blind, Policy())} == {"unknown"}
    assert len(find(blind, Policy())) == len(CHECKS)


def test_commits_wait_for_standbys_only_where_that_is_named() -> None:
    """Where the standbys are gone, nothing could be committed any more."""
    alone = {"synchronous_commit": "off"}
    for named, asked in (("", False), ("first", True)):
        found = propose(facts(alone | {"synchronous_standby_names": named}), Policy())
        assert [one.asked for one in found if one.name == "synchronous_commit"] == [asked]


def test_what_lowers_durability() -> None:
    assert lowers_durability("fsync", "off")
    assert lowers_durability("zero_damaged_pages", "on")
    assert lowers_durability("synchronous_commit", "local")
    assert not lowers_durability("synchronous_commit", "remote_apply")
    assert lowers_durability("fsync", "f")
    assert lowers_durability("ignore_checksum_failure", "tr")
    assert not lowers_durability("autovacuum", "off")


@pytest.mark.parametrize(
    ("value", "unit", "same"),
    [
        ("1GB", "8kB", "131072"),
        ("90s", "ms", "90000"),
        ("0.90", "", "0.9"),
        ("true", "", "on"),
        ("-1", "MB", "-1"),
    ],
)
def test_values_in_all_units(value: str, unit: str, same: str) -> None:
    assert units.is_same(same, value, unit)
    assert not units.is_same("12", value, unit)
