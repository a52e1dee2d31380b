"""A worker is told to stop, and another takes its place: no attempt may be lost by it."""

from __future__ import annotations

from tests.chaos.stage import Blow, Fault, Stage


def strike(stage: Stage) -> Blow:
    """Start another beside it, and stop it by SIGTERM."""
    route = stage.chance.choice(stage.crew.routes)
    ids = list(stage.crew.ids(route))
    code = stage.crew.replace(route)
    assert code == 0, f"the worker {route} ended with exit code {code}"
    lost = stage.ground.ask(
        "SELECT task_id FROM agent_executions WHERE worker = ANY (%s) AND outcome = 'lost'", ids
    )
    assert not lost, f"a worker that was told to stop lost {lost}"
    return Blow(f"SIGTERM of the worker {route}")


REPLACED_WORKER = Fault("replaced-worker", strike)
