"""How much time a vacuum gets that was cut off before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agentpg.desk.doctor.vacuum.needs import Kind, Need
from agentpg.desk.tune.long_vacuums import (
    Unfinished,
    Window,
    cut_off,
    last_of_all,
    waits,
    window_of,
)

pytestmark = pytest.mark.without_server

_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_REST = timedelta(milliseconds=2)


def need(kind: Kind = "dead", oid: int = 1) -> Need:
    return Need(oid=oid, table="t", toast=False, kind=kind, state="late", times=3.0)


def window(before: Unfinished | None, kind: Kind = "dead") -> Window:
    return window_of(before, [need(kind)], first=10 * _MINUTE, longest=50 * _MINUTE, rest=_REST)


def test_each_try_has_more_time_and_less_rest_until_it_is_tried_once_a_day() -> None:
    assert window(None) == Window(most=10 * _MINUTE, rest=_REST)
    before = None
    seen = []
    for _ in range(4):
        assert before is None or not waits(before, _NOW)
        before = cut_off(before, 1, "t", 600.04, _NOW)
        found = window(before)
        seen.append((found.most // _MINUTE, found.rest / _REST))
    assert seen == [(20, 0.5), (40, 0.25), (50, 0.0), (50, 0.0)]
    assert before is not None
    assert (before.tries, before.seconds) == (4, 600.0)
    assert waits(before, _NOW + timedelta(hours=23))
    assert not waits(before, _NOW + timedelta(days=1))


def test_the_indexes_are_left_out_where_a_table_is_too_old_for_them() -> None:
    before = cut_off(None, 1, "t", 600, _NOW)
    assert window(None, "age").indexes
    assert not window(before, "age").indexes
    assert window(before, "dead").indexes


def test_what_is_long_comes_last_and_the_one_that_waited_longest_first() -> None:
    known = {
        oid: cut_off(None, oid, "t", 600, _NOW + hours * timedelta(hours=1))
        for oid, hours in ((1, 2), (2, 1))
    }
    order = last_of_all([(need(oid=oid),) for oid in (1, 2, 3, 4)], known)
    assert [needs[0].oid for needs in order] == [3, 4, 2, 1]
