"""Figures for readers of a report: numbers, durations, sizes, tokens and money in words.

What is not known (None) is said to be unknown, never shown as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from agentpg.language import N_, Translate, untranslated
from agentpg.quantities import size_in_short

# Where there is nothing to say: no calls, so no tokens and no cost.
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Figures:
    """Writes figures in the reader's language."""

    translate: Translate = untranslated

    @property
    def unknown(self) -> str:
        """The word for what is not known."""
        return self.translate(N_("unknown"))

    def count(self, value: int | None) -> str:
        """12,345."""
        return self.unknown if value is None else f"{value:,}"

    def size(self, value: int | None) -> str:
        """Bytes, 1 kB being 1024: 1.5 MB."""
        return self.unknown if value is None else size_in_short(value)

    def share(self, part: int, whole: int) -> str:
        """A part of a whole: 3.1%; unknown of nothing."""
        return f"{part / whole:.1%}" if whole else self.unknown

    def duration(self, seconds: float | None) -> str:
        """Seconds in the one or two units that fit: 250 ms, 3.2 s, 2 min 5 s, 3 h 4 min."""
        if seconds is None:
            return self.unknown
        if seconds < 0.9995:
            return self._format(N_("{n} ms"), n=f"{seconds * 1000:.0f}")
        if seconds < 59.95:
            return self._format(N_("{n} s"), n=f"{seconds:.1f}".removesuffix(".0"))
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return self._two(N_("{n} min"), minutes, N_("{n} s"), rest)
        hours, minutes = divmod(minutes, 60)
        if hours < 48:
            return self._two(N_("{n} h"), hours, N_("{n} min"), minutes)
        return self._two(N_("{n} d"), hours // 24, N_("{n} h"), hours % 24)

    def tokens(self, known: int | None, calls: int, unknown_calls: int) -> str:
        """The tokens of some calls, with how many of the calls are not in the number."""
        if not calls and not known:
            return NOTHING
        if calls and unknown_calls >= calls:
            return self.unknown
        return self._with(
            self.count(known or 0),
            unknown_calls,
            N_("+ 1 call of unknown size"),
            N_("+ {n} calls of unknown size"),
        )

    def cost(self, known: Decimal | None, calls: int, unpriced_calls: int) -> str:
        """The dollars of some calls, with how many of the calls are not in the number."""
        if not calls and not known:
            return NOTHING
        if calls and known is None:
            return self.unknown
        return self._with(
            self.money(known or Decimal()),
            unpriced_calls,
            N_("+ 1 unpriced call"),
            N_("+ {n} unpriced calls"),
        )

    def money(self, value: Decimal | None) -> str:
        """US dollars: $12.30, below a dollar with four digits, below those <$0.0001."""
        if value is None:
            return self.unknown
        if 0 < value < Decimal("0.0001"):
            return "<$0.0001"
        return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"

    def short(self, value: float) -> str:
        """A number for an axis: 950, 12k, 3.4M."""
        for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if value >= size:
                return f"{value / size:.3g}{unit}"
        return f"{value:.3g}"

    def _with(self, known: str, more: int, one: str, many: str) -> str:
        if not more:
            return known
        return f"{known} {self._format(one if more == 1 else many, n=f'{more:,}')}"

    def _two(self, unit: str, number: int, smaller: str, rest: int) -> str:
        whole = self._format(unit, n=number)
        return f"{whole} {self._format(smaller, n=rest)}" if rest else whole

    def _format(self, text: str, **values: object) -> str:
        return self.translate(text).format(**values)
