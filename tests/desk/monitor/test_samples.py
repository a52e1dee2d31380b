"""Samples that are kept: few, and enough to say what has changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from agentpg.db import Database, connect
from agentpg.desk.monitor.changes import read_changes
from agentpg.desk.monitor.reading import reading
from agentpg.desk.monitor.samples import keep_sample, read_near
from agentpg.errors import NoSample

# As if one had been kept every five minutes for 400 days.
_YEAR = """
INSERT INTO samples (taken_at, sample)
SELECT now() - n * interval '5 min', '{}' FROM generate_series(1, 115200) AS n
"""


def test_a_year_of_samples_is_thinned_to_a_few_megabytes(database: Database) -> None:
    keep_sample(database)
    with connect(database) as connection:
        connection.execute(_YEAR)
        keep_sample(database)
        row = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE taken_at > now() - interval '1 day'),"
            " count(*) FILTER (WHERE taken_at < now() - interval '31 days'),"
            " min(taken_at) > now() - interval '367 days', max(pg_column_size(sample))"
            " FROM samples"
        ).fetchone()
    assert row is not None
    whole, of_the_day, of_the_year, is_bounded, size = row
    assert 288 <= of_the_day <= 292
    assert 334 <= of_the_year <= 337
    assert whole - of_the_day - of_the_year == pytest.approx(30 * 24, abs=3)
    assert is_bounded
    assert whole * size < 8_000_000


def test_a_setting_that_a_role_sees_differently_is_no_change(
    database: Database, superuser_dsn: Callable[..., str]
) -> None:
    keep_sample(database)
    with connect(database) as connection:
        connection.execute("UPDATE samples SET taken_at = now() - interval '1 day'")
    watcher = Database(superuser_dsn(database.name()), database.schema)
    with reading(watcher, "the test") as reader:
        assert read_changes(reader, timedelta(days=1)).settings == ()
    # What the role that keeps them says of its own, tells also of a new one.
    with connect(Database(superuser_dsn())) as administrator:
        change = f"ALTER DATABASE {database.name()} SET geqo_seed = 0.5"
        administrator.execute(change.encode())
    keep_sample(database)
    with reading(watcher, "the test") as reader:
        assert read_changes(reader, timedelta(days=1)).settings == ("geqo_seed",)


def test_what_has_changed_is_said(database: Database) -> None:
    with reading(database, "the test") as reader, pytest.raises(NoSample):
        read_near(reader, timedelta(days=1))
    keep_sample(database)
    with connect(database) as connection:
        connection.execute("UPDATE samples SET taken_at = now() - interval '2 days'")
        keep_sample(database)
        connection.execute(
            "UPDATE samples SET taken_at = now() - interval '1 day', sample = jsonb_set("
            "jsonb_set(sample, '{settings, port}', '\"other\"'), '{version}', '\"15.1\"')"
            " WHERE taken_at > now() - interval '1 hour'"
        )
        connection.execute("CREATE TABLE fresh AS SELECT n FROM generate_series(1, 50000) AS n")
    with reading(database, "the test") as reader:
        found = read_changes(reader, timedelta(days=1))
        oldest = read_near(reader, timedelta(days=9))
    assert abs(found.until - found.since - timedelta(days=1)) < timedelta(minutes=1)
    assert found.settings == ("port",)
    assert found.version_before == "15.1"
    assert found.restarted_at is None
    assert (found.sizes.grown_bytes or 0) > 1_000_000
    assert next(one for one in found.sizes.tables if one.name == "fresh").is_new
    counted = {one.name: one for one in found.counted}
    assert (counted["wal_bytes"].now or 0) > 0
    assert counted["wal_bytes"].before is not None
    # Where none is as old, the oldest is taken.
    assert found.since - oldest.taken_at > timedelta(hours=23)
