"""Submitting many tasks by the best bulk call."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.work import Figure, Stage


@dataclass(frozen=True, slots=True)
class Bulk:
    """One client, 5,000 tasks a call, each call durable when it returns."""

    tasks: int

    @property
    def key(self) -> str:
        """Its name for `--only`."""
        return "bulk"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Tasks in a second."""
        return (Figure("bulk", "submit in bulk", "tasks/s", "more"),)

    def measure(self, stage: Stage) -> dict[str, float]:
        """Submit them once."""
        answer = stage.ask("submit-bulk", "--tasks", str(self.tasks))[-1]
        return {"bulk": self.tasks / answer["seconds"]}
