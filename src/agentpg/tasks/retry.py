"""When a failed attempt is tried again."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import timedelta

DEFAULT_MAX_ATTEMPTS = 3
MOST_ATTEMPTS = 1_000_000

# A task is given up after so many deaths of its own process, or so many lost executions
# in all: by then it is more likely the cause than a victim.
CRASHES_TO_QUARANTINE = 3
LOSSES_TO_QUARANTINE = 10


@dataclass(frozen=True, slots=True)
class Backoff:
    """An exponential wait with jitter: `first` × `factor`^(errors − 1), at most `longest`.

    `jitter` is the share by which each wait is randomly shorter or longer, so that tasks
    that failed together do not come back together. The default waits 2 s, 4 s, 8 s …
    up to an hour, each ± 20 %.
    """

    first: timedelta = timedelta(seconds=2)
    factor: float = 2.0
    longest: timedelta = timedelta(hours=1)
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if self.first < timedelta() or self.longest < timedelta():
            raise ValueError(f"a wait can't be negative: {self.first}, {self.longest}")
        if self.factor < 1 or not 0 <= self.jitter < 1:
            raise ValueError(
                f"factor is at least 1 and jitter 0 to 1: {self.factor}, {self.jitter}"
            )

    def seconds(self, errors: int) -> float:
        """The wait before the next attempt, after `errors` (1 or more) failed ones."""
        # Past 2^60 the product is over any limit, and a float would overflow.
        try:
            grown = self.first.total_seconds() * self.factor ** min(errors - 1, 60)
        except OverflowError:
            grown = math.inf
        spread = random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311 - no secret
        return min(grown, self.longest.total_seconds()) * spread
