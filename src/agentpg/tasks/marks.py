"""Where a worker's claims begin: for each priority, behind what it has claimed already.

The entries of claimed tasks stay in the index until vacuum may remove them, which is as long
as any snapshot in the server is held. A claim that began at the head of the index would walk
them all, every time. So it begins at a mark, and a look from the head finds, once in a while,
what came in below: late commits, tasks that were handed back, and an old `run_at`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from uuid import UUID

# A look is due so often, or with each poll where that is more often. What came in below a mark
# is to be begun within a second, and what was claimed before it is begun first.
_MOST_BETWEEN_LOOKS = timedelta(seconds=0.7)

# A look may have to walk millions of dead entries, so looks take at most 2 % of the time. Of
# the last three the quickest counts: a machine that was busy for a moment makes none dear.
_SHARE_OF_LOOKS = 0.02
_LOOKS_THAT_COUNT = 3

# A look that found nothing leaves so much room behind the database's time: transactions that
# are under way now commit tasks whose `run_at` is their beginning.
MARGIN = timedelta(seconds=1)

_FIRST_ID = UUID(int=0)

# Known from the start: the priority of tasks that say none.
_USUAL_PRIORITY = 100


class Marks:
    """The mark of each priority that is known, and when to look again from the head.

    A look is due as often as a worker polls, or every 0.7 s if that is more often, and allowed
    at any time; but looks never take more than 2 % of the time. `clock` gives seconds that
    only rise.
    """

    def __init__(self, poll: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        # A poll comes up to a tenth sooner than said, and a look is due by then.
        self._interval = min(poll * 0.9, _MOST_BETWEEN_LOOKS).total_seconds()
        self._clock = clock
        self._marks: dict[int, tuple[str, UUID]] = {_USUAL_PRIORITY: ("-infinity", _FIRST_ID)}
        self._looked_at = float("-inf")
        self._costs: deque[float] = deque(maxlen=_LOOKS_THAT_COUNT)

    @property
    def look_is_due(self) -> bool:
        """Whether the last look is so long ago that what is below a mark has waited enough."""
        return self._clock() >= self._looked_at + max(self._interval, self._pause())

    @property
    def look_is_allowed(self) -> bool:
        """Whether one more look keeps to its share of the time."""
        return self.seconds_to_look() <= 0

    def seconds_to_look(self) -> float:
        """How long it is until one more look is allowed; 0 or less if it is now."""
        return self._looked_at + self._pause() - self._clock()

    def parameters(self) -> dict[str, str]:
        """The marks as the claim takes them, as texts of arrays, the more urgent priority first."""
        ordered = sorted(self._marks.items())
        return {
            "priorities": _array(str(priority) for priority, _ in ordered),
            "run_ats": _array(f'"{mark[0]}"' for _, mark in ordered),
            "ids": _array(str(mark[1]) for _, mark in ordered),
        }

    def claimed(self, places: Sequence[tuple[int, str, UUID]]) -> None:
        """Priority, `run_at` and id of what was claimed, in its order: the marks follow it."""
        if places and places[0][0] == places[-1][0]:
            places = places[-1:]
        for priority, run_at, task_id in places:
            self._marks[priority] = (run_at, task_id)

    def looked(
        self,
        seconds: float,
        behind: str,
        heads: Sequence[tuple[int, str | None, UUID | None]],
    ) -> bool:
        """What a look of so many seconds saw; whether anything is due.

        `behind` is the database's time less the margin, `heads` the first due task of each
        priority that has pending ones, with None where none of them is due.
        """
        self._looked_at = self._clock()
        self._costs.append(seconds)
        self._marks = dict.fromkeys(
            (*self._marks, *(head[0] for head in heads)), (behind, _FIRST_ID)
        )
        due = {p: (run_at, task_id) for p, run_at, task_id in heads if run_at and task_id}
        self._marks.update(due)
        return bool(due)

    def _pause(self) -> float:
        return min(self._costs, default=0.0) / _SHARE_OF_LOOKS


def _array(elements: Iterable[str]) -> str:
    return "{" + ",".join(elements) + "}"
