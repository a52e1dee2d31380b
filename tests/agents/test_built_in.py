"""A worker takes the built-in agents that have what they need."""

from __future__ import annotations

import pytest

from agentpg.agents.built_in import built_in_app
from agentpg.settings import load_settings

pytestmark = pytest.mark.without_server


@pytest.mark.parametrize(
    ("settings", "agents"),
    [
        ({}, set()),
        ({"dsn_admin": "host=h"}, {"SchemaAgent", "MaintenanceAgent"}),
        ({"dsn_monitor": "host=h"}, {"ReportAgent", "HealthAgent"}),
        ({"dsn_backup": "host=h"}, {"BackupAgent"}),
        ({"openai_base_url": "http://localhost:1/v1"}, {"DocumentAgent"}),
        (
            {"dsn_admin": "host=h", "dsn_monitor": "host=h", "openai_api_key": "k"},
            {"SchemaAgent", "MaintenanceAgent", "ReportAgent", "HealthAgent", "DocumentAgent"},
        ),
    ],
)
def test_agents_are_there_for_what_is_set(settings: dict[str, str], agents: set[str]) -> None:
    app = built_in_app(load_settings(**settings))
    assert {handler.agent_name for handler in app} == agents


def test_the_weekly_report_has_its_schedule_in_the_settings_zone() -> None:
    app = built_in_app(load_settings(dsn_monitor="host=h", time_zone="Asia/Seoul"))
    [schedule, _] = app.schedules
    assert app.find(schedule.agent_name, schedule.task_type) is not None
    assert (schedule.name, schedule.cron, schedule.time_zone) == (
        "weekly-report",
        "0 7 * * mon",
        "Asia/Seoul",
    )


def test_backups_are_made_drilled_and_pruned_by_the_clock() -> None:
    app = built_in_app(load_settings(dsn_backup="host=h", time_zone="Asia/Seoul"))
    declared = [(one.name, one.task_type, one.cron) for one in app.schedules]
    assert declared == [
        ("nightly-backup", "make_backup", "0 2 * * *"),
        ("weekly-drill", "drill_backup", "0 4 * * sun"),
        ("backup-pruning", "prune_backups", "0 6 * * *"),
    ]
    assert {one.time_zone for one in app.schedules} == {"Asia/Seoul"}
    assert all(app.find(one.agent_name, one.task_type) for one in app.schedules)


def test_everything_is_looked_at_every_minute() -> None:
    [_, schedule] = built_in_app(load_settings(dsn_monitor="host=h")).schedules
    assert (schedule.name, schedule.cron, schedule.catch_up) == ("health", "* * * * *", "skip")


def test_samples_are_kept_and_tables_seen_to_by_the_clock() -> None:
    app = built_in_app(load_settings(dsn_admin="host=h"))
    declared = [(one.name, one.task_type, one.cron) for one in app.schedules]
    assert declared == [
        ("samples", "keep_sample", "*/5 * * * *"),
        ("vacuum", "vacuum_tables", "20 * * * *"),
    ]
    assert all(app.find(one.agent_name, one.task_type) for one in app.schedules)
