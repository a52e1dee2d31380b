"""Figures in words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from agentpg.desk.figures import Figures
from agentpg.language import translation

pytestmark = pytest.mark.without_server

ENGLISH = Figures()
KOREAN = Figures(translation("ko"))


@pytest.mark.parametrize(
    ("seconds", "english", "korean"),
    [
        (None, "unknown", "알 수 없음"),
        (0.0, "0 ms", "0ms"),
        (0.25, "250 ms", "250ms"),
        (0.9996, "1 s", "1초"),
        (3.24, "3.2 s", "3.2초"),
        (59.96, "1 min", "1분"),
        (125, "2 min 5 s", "2분 5초"),
        (3600 * 3 + 240, "3 h 4 min", "3시간 4분"),
        (86400 * 2, "2 d", "2일"),
        (86400 * 2 + 3600 * 5, "2 d 5 h", "2일 5시간"),
    ],
)
def test_durations(seconds: float | None, english: str, korean: str) -> None:
    assert ENGLISH.duration(seconds) == english
    assert KOREAN.duration(seconds) == korean


@pytest.mark.parametrize(
    ("known", "calls", "unpriced", "text"),
    [
        (None, 0, 0, "–"),
        (None, 3, 3, "unknown"),
        (Decimal("1.5"), 3, 0, "$1.50"),
        (Decimal("0.0042"), 3, 1, "$0.0042 + 1 unpriced call"),
        (Decimal("1234.5"), 3000, 1002, "$1,234.50 + 1,002 unpriced calls"),
        (Decimal("0.00001"), 1, 0, "<$0.0001"),
        (Decimal(0), 1, 0, "$0.00"),
    ],
)
def test_unknown_cost_is_never_nothing(
    known: Decimal | None, calls: int, unpriced: int, text: str
) -> None:
    assert ENGLISH.cost(known, calls, unpriced) == text


@pytest.mark.parametrize(
    ("known", "calls", "unknown", "text"),
    [
        (0, 0, 0, "–"),
        (None, 2, 2, "unknown"),
        (0, 2, 2, "unknown"),
        (0, 2, 0, "0"),
        (1200, 2, 1, "1,200 + 1 call of unknown size"),
        (1200, 0, 0, "1,200"),
    ],
)
def test_unknown_tokens_are_never_nothing(
    known: int | None, calls: int, unknown: int, text: str
) -> None:
    assert ENGLISH.tokens(known, calls, unknown) == text


def test_sizes_shares_and_short_numbers() -> None:
    assert [ENGLISH.size(n) for n in (None, 0, 1023, 1536, 10**9)] == [
        "unknown", "0 B", "1023 B", "1.5 kB", "954 MB"
    ]  # fmt: skip
    assert (ENGLISH.share(1, 8), ENGLISH.share(0, 0)) == ("12.5%", "unknown")
    assert [ENGLISH.short(n) for n in (0, 950, 1200, 3_400_000)] == ["0", "950", "1.2k", "3.4M"]
