"""Submitting tasks one per call."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.work import Figure, Scene, Work


@dataclass(frozen=True, slots=True)
class Single(Work):
    """One client process, so many callers at a time, each call durable when it returns."""

    tasks: int
    callers: int

    @property
    def key(self) -> str:
        """Its name for `--only`."""
        return f"single-{self.callers}"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Tasks in a second."""
        callers = "1 caller" if self.callers == 1 else f"{self.callers} callers"
        return (Figure(self.key, f"submit one per call, {callers}", "tasks/s", "more"),)

    def measure(self, scene: Scene) -> dict[str, float]:
        """Submit them once."""
        with scene.stage() as stage:
            answer = stage.ask(
                "submit-one", "--tasks", str(self.tasks), "--callers", str(self.callers)
            )[-1]
        return {self.key: self.tasks / answer["seconds"]}
