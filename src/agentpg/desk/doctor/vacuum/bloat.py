"""How much of a table holds nothing: an estimate by what the statistics say of its rows.

It is off by some per cent where rows vary in size, and by more where the statistics are old; what
is acted on is measured before.
"""

from __future__ import annotations

import math

from agentpg.desk.doctor.vacuum.facts import LargeTable

# PostgreSQL's storage: the head of a page, of a row, the pointer to it, and how all is aligned.
_PAGE_HEAD, _ROW_HEAD, _POINTER, _ALIGN = 24, 23, 4, 8


def estimated_share(table: LargeTable, page_bytes: int) -> float | None:
    """The share of its pages that its rows would not need; None where that can't be told."""
    if table.row_bytes is None or table.pages == 0:
        return None
    nulls = (table.columns + 7) // 8 if table.has_nulls else 0
    row = _aligned(_ROW_HEAD + nulls) + _aligned(table.row_bytes) + _POINTER
    in_a_page = max(int((page_bytes - _PAGE_HEAD) * table.fill_factor / 100 / row), 1)
    needed = math.ceil(table.rows / in_a_page)
    return max(1 - needed / table.pages, 0.0)


def _aligned(size: float) -> int:
    return math.ceil(size / _ALIGN) * _ALIGN
