"""Submitting many tasks by the best bulk call."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.work import Figure, Scene, Work


@dataclass(frozen=True, slots=True)
class Bulk(Work):
    """One client, 5,000 tasks a call, each call durable when it returns."""

    tasks: int
    fewer: int

    @property
    def key(self) -> str:
        """Its name for `--only`."""
        return "bulk"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Tasks in a second."""
        return (Figure("bulk", "submit in bulk", "tasks/s", "more"),)

    def measure(self, scene: Scene) -> dict[str, float]:
        """Submit them once."""
        tasks = self.tasks if scene.full_size else self.fewer
        with scene.stage() as stage:
            answer = stage.ask("submit-bulk", "--tasks", str(tasks))[-1]
        return {"bulk": tasks / answer["seconds"]}
