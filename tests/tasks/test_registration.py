"""A worker's row."""

from __future__ import annotations

import os
from datetime import timedelta

from agentpg.tasks.registration import Registration


def test_a_registration_tells_who_works_where() -> None:
    registration = Registration([("A", "t"), ("B", "u")], 5, timedelta(seconds=30))
    row = registration.row()
    assert row["id"] == registration.id
    assert (row["pid"], row["concurrency"], row["lease_seconds"]) == (os.getpid(), 5, 30.0)
    assert row["host"]
    assert row["version"]
    assert row["handlers"].obj == [["A", "t"], ["B", "u"]]


def test_a_new_life_is_a_new_id() -> None:
    registration = Registration([], 5, timedelta(seconds=30))
    first = registration.id
    registration.renew()
    assert registration.id > first
