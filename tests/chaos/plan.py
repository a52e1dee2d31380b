"""How long, how hard, and by which chance."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of a run; times in seconds.

    `rate` is how many tasks are submitted a second. `only` names the faults; empty means
    all. `rounds` ends the run after so many faults, even if there is time left.
    """

    seconds: float = 600.0
    seed: int = 7
    only: tuple[str, ...] = ()
    rounds: int | None = None
    lease: float = 4.0
    rate: float = 40.0
    concurrency: int = 20
    calm: float = 3.0
    patience: float = 90.0

    def asks_for(self, fault: str) -> bool:
        """Whether a fault of this name is among those that may strike."""
        return not self.only or fault in self.only
