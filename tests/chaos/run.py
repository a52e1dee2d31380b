"""One run: the stage is built, faults strike one after another, and all is looked at."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from agentpg.db import Database
from agentpg.errors import AgentpgError
from tests.chaos.book import Book
from tests.chaos.crew import Clock, Crew, Route
from tests.chaos.faults import ALL
from tests.chaos.ground import Ground
from tests.chaos.judge import complaints, last_complaints
from tests.chaos.load import Load
from tests.chaos.plan import Plan
from tests.chaos.stage import Blow, Fault, Stage
from tests.chaos.watch import Watch
from tests.chaos.wire import Wire
from tests.pgbouncer import PROGRAM, PgBouncer
from tests.waiting import eventually

# Work goes on again when this part of what ended before a fault ends each second.
_BACK = 0.5


@dataclass(frozen=True, slots=True)
class Injury:
    """One fault and how long it took to recover, in seconds: from its end until work went on
    as before, and from the death of a worker until its tasks were back. None: not in time,
    or nobody died."""

    fault: str
    what: str
    back: float | None
    rescued: float | None
    died: bool
    complaints: dict[str, list[object]]

    @property
    def healed(self) -> bool:
        """Whether all is as it must be."""
        rescued = self.rescued is not None or not self.died
        return self.back is not None and rescued and not self.complaints


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    plan: Plan
    seconds: float
    injuries: list[Injury]
    skipped: dict[str, str]
    tasks: dict[str, int]
    executions: dict[str, int]
    acknowledged: int
    refused: int
    calls: int
    lost_workers: int
    exit_codes: list[int]
    complaints: dict[str, list[object]]

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, recorded twice, stuck, or wrongly blamed."""
        healed = all(injury.healed for injury in self.injuries)
        return healed and not self.complaints and not any(self.exit_codes)


def run(plan: Plan, folder: Path, tell: Callable[[Injury], None]) -> Outcome:
    """Do all of it in `folder`, on a server of its own, which is removed at the end."""
    with ExitStack() as cleanup:
        stage = _build(plan, folder, cleanup)
        skipped = {f.name: why for f in _asked(plan) if (why := f.missing(stage))}
        faults = [fault for fault in _asked(plan) if fault.name not in skipped]
        assert faults, f"none of these can be done here: {skipped}"
        book = Book(folder / "acknowledged.txt")
        cleanup.callback(book.close)
        ways = (stage.ground.database, _pooled(stage) or stage.ground.database)
        load = Load(ways, book, plan.rate, plan.seed)
        watch = Watch(stage.ground.database)
        cleanup.callback(watch.stop)
        load.start()
        eventually(lambda: watch.usual_rate(2) > plan.rate / 4, plan.patience, "the work begins")
        started = time.monotonic()
        injuries = []
        for fault in _drawn(plan, faults, stage.chance, started + plan.seconds):
            injuries.append(_strike(stage, fault, watch, book))
            tell(injuries[-1])
        seconds = time.monotonic() - started
        load.stop()
        _until_all_ended(stage)
        exit_codes = stage.crew.stop()
        return _outcome(plan, stage, book, seconds, injuries, skipped, exit_codes)


def _asked(plan: Plan) -> list[Fault]:
    unknown = set(plan.only) - {fault.name for fault in ALL}
    assert not unknown, f"no such fault: {', '.join(sorted(unknown))}"
    return [fault for fault in ALL if plan.asks_for(fault.name)]


def _build(plan: Plan, folder: Path, cleanup: ExitStack) -> Stage:
    ground = Ground(plan, folder)
    cleanup.callback(ground.remove)
    wire = Wire(ground.port, own_link=plan.asks_for("dead-link"))
    cleanup.callback(wire.remove)
    pooler = None
    if PROGRAM is not None:
        (folder / "pooler").mkdir()
        pooler = PgBouncer(ground.database, folder / "pooler", server_connect_timeout=5)
        cleanup.callback(pooler.stop)
    clock = Clock(folder)
    crew = Crew(plan, ground, _routes(ground, wire, pooler, clock), folder / "workers.log")
    cleanup.callback(crew.remove)
    return Stage(plan, ground, wire, pooler, clock, crew, random.Random(plan.seed))


def _routes(ground: Ground, wire: Wire, pooler: PgBouncer | None, clock: Clock) -> list[Route]:
    over_wire = ground.dsn_at(wire.host, wire.port)
    routes = [
        Route("direct", ground.database.dsn),
        Route("wire", over_wire, tuple(wire.namespace.command())),
    ]
    if pooler is not None:
        routes.append(Route("pooled", pooler.database.dsn))
    if clock.there:
        routes.append(Route("clock", ground.database.dsn, environment=clock.environment()))
    return routes


def _pooled(stage: Stage) -> Database | None:
    return stage.pooler.database if stage.pooler else None


def _drawn(plan: Plan, faults: list[Fault], chance: random.Random, until: float) -> Iterator[Fault]:
    """Every fault once in an order by chance, then again in another, until the time is over."""
    number = 0
    while True:
        order = list(faults)
        chance.shuffle(order)
        for fault in order:
            if time.monotonic() >= until or number == plan.rounds:
                return
            number += 1
            yield fault


def _strike(stage: Stage, fault: Fault, watch: Watch, book: Book) -> Injury:
    """One fault, the recovery from it, and a look at everything."""
    usual = watch.usual_rate(stage.plan.calm)
    try:
        blow = fault.strike(stage)
    except (AssertionError, AgentpgError) as error:
        return Injury(fault.name, str(error), None, None, False, {"the fault": [str(error)]})
    ended_at = time.monotonic()
    back = _soon(stage, lambda: watch.back_at(ended_at, usual * _BACK))
    rescued = _rescued(stage, watch, blow)
    time.sleep(stage.plan.calm)
    return Injury(
        fault.name,
        blow.what,
        None if back is None else back - ended_at,
        None if rescued is None or blow.died_at is None else rescued - blow.died_at,
        bool(blow.dead),
        complaints(stage.ground, book),
    )


def _rescued(stage: Stage, watch: Watch, blow: Blow) -> float | None:
    if blow.died_at is None or not blow.dead:
        return None
    since = blow.died_at
    return _soon(stage, lambda: watch.rescued_at(since, blow.dead))


def _soon(stage: Stage, condition: Callable[[], float | None]) -> float | None:
    deadline = time.monotonic() + stage.plan.patience
    while (found := condition()) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _until_all_ended(stage: Stage) -> None:
    """Wait until all tasks have ended; what has not in time is found by the last look."""
    query = "SELECT count(*) FROM tasks WHERE status IN ('pending', 'running', 'waiting')"
    _soon(stage, lambda: 1.0 if stage.ground.ask(query) == [(0,)] else None)


def _outcome(
    plan: Plan,
    stage: Stage,
    book: Book,
    seconds: float,
    injuries: list[Injury],
    skipped: dict[str, str],
    exit_codes: list[int],
) -> Outcome:
    ask = stage.ground.ask
    [(calls,)] = ask("SELECT count(*) FROM llm_requests")
    [(lost_workers,)] = ask("SELECT count(*) FROM workers WHERE ended_how = 'lost'")
    return Outcome(
        plan=plan,
        seconds=seconds,
        injuries=injuries,
        skipped=skipped,
        tasks=dict(ask("SELECT status, count(*) FROM tasks GROUP BY 1 ORDER BY 2 DESC")),
        executions=dict(
            ask(
                "SELECT coalesce(outcome, 'open'), count(*) FROM agent_executions"
                " GROUP BY 1 ORDER BY 2 DESC"
            )
        ),
        acknowledged=len(book.acknowledged()),
        refused=book.refused,
        calls=calls,
        lost_workers=lost_workers,
        exit_codes=exit_codes,
        complaints=last_complaints(stage.ground, book),
    )
