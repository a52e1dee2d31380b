"""Figures are short and true, and what is unknown is a dash."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agentpg.cli import figures

pytestmark = pytest.mark.without_server


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (1, "1 s"),
        (3.25, "3.2 s"),
        (59.97, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (timedelta(days=3, hours=4, minutes=59), "3 d 4 h"),
        (timedelta(seconds=-5), "-5 s"),
        (Decimal("0.250"), "250 ms"),
    ],
)
def test_durations(value: timedelta | float | Decimal, text: str) -> None:
    assert figures.duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 kB"), (17 * 1024**2, "17 MB"), (1536, "1.5 kB")],
)
def test_sizes(value: int, text: str) -> None:
    assert figures.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal(0), "$0.00"),
        (Decimal("0.0042"), "$0.0042"),
        (Decimal("0.000001"), "<$0.0001"),
        (Decimal("1234.5"), "$1,234.50"),
    ],
)
def test_money(value: Decimal, text: str) -> None:
    assert figures.money(value) == text


def test_a_moment_is_in_local_time_with_its_offset() -> None:
    moment = datetime(2026, 3, 1, 10, 0, 5, tzinfo=UTC)
    assert datetime.fromisoformat(figures.moment(moment)) == moment
    assert figures.moment(moment) == moment.astimezone().isoformat(sep=" ")


def test_an_age_is_counted_to_now() -> None:
    now = datetime(2026, 3, 1, 10, 0, 5, tzinfo=UTC)
    assert figures.age(now - timedelta(minutes=2), now) == "2 min"


@pytest.mark.parametrize(
    "show",
    [
        figures.moment,
        figures.duration,
        figures.age,
        figures.size,
        figures.count,
        figures.money,
        figures.percent,
    ],
)
def test_what_is_unknown_is_a_dash(show: Callable[[Any], str]) -> None:
    assert show(None) == "–"
