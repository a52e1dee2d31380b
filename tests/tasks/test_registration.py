"""A worker's row."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from agentpg.tasks.registration import Registration

pytestmark = pytest.mark.without_server


def test_a_registration_tells_who_works_where() -> None:
    registration = Registration([("A", "t"), ("B", "u")], 5, timedelta(seconds=30))
    row = registration.row()
    assert row["id"] == registration.id
    assert (row["pid"], row["concurrency"], row["lease_seconds"]) == (os.getpid(), 5, 30.0)
    assert row["host"]
    assert row["version"]
    assert row["handlers"].obj == [["A", "t"], ["B", "u"]]


def test_another_id_can_be_registered_before_it_is_taken() -> None:
    registration = Registration([], 5, timedelta(seconds=30))
    first, other = registration.id, uuid7()
    assert registration.row(other)["id"] == other
    assert registration.id == registration.row()["id"] == first
