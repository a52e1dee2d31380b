"""What statements took of late: since a sample of yesterday, or else since they are counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from agentpg.desk.check import amount
from agentpg.desk.doctor.slow.facts import Earlier, Statement, Statements, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a statement took of late: since a sample of yesterday, or since the counting began.

    `share` is its part of all time in that. `before` is what it had taken by then; None where that
    is not known. `is_new` where there was nothing of it in the sample.
    """

    statement: Statement
    calls: int
    milliseconds: float
    rows: int
    share: float
    before: Tally | None
    is_new: bool

    @property
    def mean_milliseconds(self) -> float:
        """What a call took of late."""
        return self.milliseconds / max(self.calls, 1)

    @property
    def row_milliseconds(self) -> float:
        """What each row took of late, or each call that gave none or one."""
        return self.milliseconds / max(self.calls, self.rows, 1)

    @property
    def before_milliseconds(self) -> float | None:
        """What a call took before; None where that is not known."""
        then = self.before
        return None if then is None or not then.calls else then.milliseconds / then.calls

    def times_slower(self) -> float:
        """How many times as long as before a call takes, and each row of it: large batches take
        longer than small ones, and are not slower. 0 where it is not known."""
        then = self.before
        if then is None or not then.calls or not then.milliseconds:
            return 0.0
        call = then.milliseconds / then.calls
        row = then.milliseconds / max(then.calls, then.rows)
        return min(self.mean_milliseconds / call, self.row_milliseconds / row)


def paces(statements: Statements, earlier: Earlier | None) -> tuple[Pace, ...]:
    """What each of the dearest took of late, the one with the largest share first."""
    before = earlier if is_comparable(statements, earlier) else None
    listed = [_pace(one, before) for one in statements.dearest]
    # What the sample does not have is not known of the whole, so the whole is that of these.
    known = sum(one.milliseconds for one in listed)
    whole = known if before else max(statements.milliseconds, known)
    shared = (replace(one, share=one.milliseconds / whole if whole else 0.0) for one in listed)
    return tuple(sorted(shared, key=lambda one: -one.share))


def since_of(statements: Statements, earlier: Earlier | None) -> datetime:
    """Since when the paces are."""
    if earlier is not None and is_comparable(statements, earlier):
        return earlier.taken_at
    return statements.since


def is_comparable(statements: Statements, earlier: Earlier | None) -> bool:
    """Whether the counting has gone on since the sample was kept."""
    return earlier is not None and earlier.statements_since == statements.since


def _pace(statement: Statement, earlier: Earlier | None) -> Pace:
    then = _then(statement, earlier)
    calls, milliseconds, rows = statement.calls, statement.milliseconds, statement.rows
    if then is not None:
        calls, rows = calls - then.calls, max(rows - then.rows, 0)
        milliseconds = max(milliseconds - then.milliseconds, 0.0)
    elif earlier is not None and not earlier.has_all:
        # It may have taken as much by then as the cheapest that was kept; what is more is of late.
        cheapest = min((one.milliseconds for one in earlier.statements.values()), default=0.0)
        late = max(milliseconds - cheapest, 0.0)
        share = late / milliseconds if milliseconds else 0.0
        calls, milliseconds, rows = round(calls * share), late, round(rows * share)
    return Pace(
        statement=statement,
        calls=calls,
        milliseconds=milliseconds,
        rows=rows,
        share=0.0,
        before=then,
        is_new=earlier is not None and earlier.has_all and then is None,
    )


def _then(statement: Statement, earlier: Earlier | None) -> Tally | None:
    """What it had taken by then; None where that is not known, or it was forgotten meanwhile and
    counts anew."""
    then = earlier.statements.get(statement.id) if earlier else None
    return None if then is not None and then.calls > statement.calls else then


def in_short(milliseconds: float) -> str:
    """What a call takes, as people say it: 0.42 ms, 85 ms, 2.5 s."""
    if milliseconds >= 1000:
        return amount(milliseconds / 1000)
    return f"{milliseconds:.3g} ms"
