"""What attempts tell while they run is there for others to read."""

from __future__ import annotations

import signal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from agentpg import App, Run
from agentpg.tasks.journal import LONGEST_LINE, MOST_LINES
from tests.apps.busy import app as deadly
from tests.apps.telling import app as telling
from tests.tasks.engine import Engine
from tests.waiting import eventually

TELLING = "tests.apps.telling"


@pytest.mark.parametrize("task_type", ["steps", "busy"])
def test_progress_and_lines_are_there_while_it_runs(
    engine: Engine, tmp_path: Path, task_type: str
) -> None:
    engine.work(telling)
    go_on = tmp_path / "go_on"
    task_id = engine.client.submit("Telling", task_type, {"go_on": str(go_on)})
    said = {"steps": (0.5, "half of it"), "busy": (0.4, "step 4")}[task_type]
    eventually(lambda: progress(engine, task_id) == said)
    assert [e.message for e in engine.client.events(task_id)] == ["begins"]
    go_on.touch()
    assert engine.ended(task_id).status == "completed"
    assert progress(engine, task_id) == (1.0, "done")


def test_the_last_news_are_written_before_the_end(engine: Engine) -> None:
    engine.work(telling)
    ids = [engine.client.submit("Telling", "steps") for _ in range(20)]
    for task_id in ids:
        engine.ended(task_id)
        assert progress(engine, task_id) == (1.0, "done")
        events = engine.client.events(task_id)
        assert [(e.number, e.level, e.message) for e in events] == [
            (1, "info", "begins"),
            (2, "warning", "ends"),
        ]
        [execution] = engine.client.executions(task_id)
        assert execution.execution_start is not None
        assert execution.execution_end is not None
        assert execution.execution_start <= events[0].at <= execution.execution_end
        assert execution.progress == 1.0


def test_a_tight_loop_costs_next_to_nothing_and_few_writes(engine: Engine) -> None:
    engine.work(telling)
    updates = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'agent_executions'"
    task = engine.run("Telling", "loop", {"times": 300_000})
    assert progress(engine, task.id) == (1.0, "all")
    assert task.result < 0.05, "50 microseconds a call are far too many"
    eventually(lambda: engine.ask(updates)[0][0] > 0)
    seconds = task.result * 300
    assert engine.ask(updates)[0][0] <= seconds + 4


def test_progress_leaves_the_indexes_alone(engine: Engine) -> None:
    engine.work(telling)
    engine.run("Telling", "steps")
    counts = (
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
        " WHERE relname = 'agent_executions' AND n_tup_upd > 0"
    )
    eventually(lambda: engine.ask(counts))
    [(updated, hot)] = engine.ask(counts)
    assert updated == hot


def test_lines_of_several_threads_are_all_kept(engine: Engine) -> None:
    engine.work(telling)
    task = engine.run("Telling", "threads")
    events = engine.client.events(task.id)
    assert [e.number for e in events] == list(range(1, 201))
    assert len({e.message for e in events}) == 200


def test_lines_are_cut_cleaned_and_chosen_by_level(engine: Engine) -> None:
    engine.work(telling)
    task = engine.run("Telling", "talk")
    events = engine.client.events(task.id)
    assert [e.level for e in events] == ["info", "error", "info", "error"]
    secret, long, zero, failed = (e.message for e in events)
    assert secret == "the key is sk-***, the rest is dull"
    assert (len(long), long[-1]) == (LONGEST_LINE, "…")
    assert zero == "a zero \\x00 byte and %s too few: %s"
    assert failed.startswith("it failed: ValueError: invalid literal")


def test_too_many_lines_end_with_a_line_that_says_so(engine: Engine) -> None:
    engine.work(telling)
    task = engine.run("Telling", "talk", {"lines": MOST_LINES})
    first = engine.client.events(task.id)
    [last] = engine.client.events(task.id, after=first[-1])
    assert len(first) == MOST_LINES
    assert (last.number, last.level) == (MOST_LINES + 1, "warning")
    assert last.message == f"only {MOST_LINES} lines of an attempt are kept"


@pytest.mark.parametrize(
    ("level", "kept"),
    [("off", []), ("error", ["error", "error"]), ("debug", ["debug", "info", "error"])],
)
def test_the_setting_says_which_lines_are_kept(engine: Engine, level: str, kept: list[str]) -> None:
    engine.work(telling, task_log_level=level)
    task = engine.run("Telling", "talk")
    assert [e.level for e in engine.client.events(task.id)][: len(kept) or None][:3] == kept


@pytest.mark.parametrize(("said", "stored"), [(7, 1.0), (-1, 0.0), ("nan", None)])
def test_odd_progress_is_made_to_fit(engine: Engine, said: Any, stored: float | None) -> None:
    engine.work(telling)
    task = engine.run("Telling", "odd", {"fraction": said})
    assert progress(engine, task.id) == (stored, "x" * 199 + "…")


def test_any_kind_of_number_and_text_is_written(engine: Engine) -> None:
    app = App()

    @app.task("Odd", "kinds")
    def kinds(run: Run) -> None:
        run.progress(True, 7)  # type: ignore[arg-type]

    @app.task("Odd", "fraction")
    def fraction(run: Run) -> None:
        run.progress(Fraction(1, 4), "a quarter")  # type: ignore[arg-type]

    engine.work(app)
    assert progress(engine, engine.run("Odd", "kinds").id) == (1.0, "7")
    assert progress(engine, engine.run("Odd", "fraction").id) == (0.25, "a quarter")


def test_who_tells_nothing_writes_nothing(engine: Engine) -> None:
    engine.work(telling)
    task = engine.run("Telling", "silent")
    assert engine.client.progress(task.id) is None
    assert engine.client.events(task.id) == []


def test_a_worker_that_lost_its_task_cannot_write_to_the_next_attempt(
    engine: Engine, tmp_path: Path
) -> None:
    """Stopped past its lease, rescued, and resumed."""
    go_on = tmp_path / "go_on"
    first = engine.process(TELLING)
    task_id = engine.client.submit("Telling", "wait", {"go_on": str(go_on)})
    eventually(lambda: progress(engine, task_id) == (pytest.approx(0.1), "attempt 1"))
    first.send(signal.SIGSTOP)
    second = engine.process(TELLING)
    eventually(lambda: progress(engine, task_id) == (pytest.approx(0.1), "attempt 2"))
    second.send(signal.SIGSTOP)
    go_on.touch()
    first.send(signal.SIGCONT)
    eventually(lambda: "no longer ours" in first.log.read_text() or lost(first))
    assert progress(engine, task_id) == (pytest.approx(0.1), "attempt 2")
    second.send(signal.SIGCONT)
    assert engine.ended(task_id).status == "completed"
    one, *_, last = engine.client.executions(task_id)
    assert (one.outcome, one.progress_text) == ("lost", "attempt 1")
    assert last.progress_text == f"late, of attempt {last.attempt}"
    for event in engine.client.events(task_id):
        assert event.message.endswith(f"of attempt {event.attempt}")


def lost(worker: Any) -> bool:
    """Whether a worker has noticed that it was declared dead."""
    return "declared dead" in worker.log.read_text()


def test_the_last_lines_of_a_process_that_died_are_kept(engine: Engine) -> None:
    engine.work(deadly)
    task = engine.run("Busy", "talk_and_die")
    assert task.status == "failed"
    assert [(e.attempt, e.message) for e in engine.client.events(task.id)] == [
        (attempt, "the last words") for attempt in (1, 2, 3)
    ]


def progress(engine: Engine, task_id: UUID) -> tuple[Any, str] | None:
    """How far a task says it is."""
    said = engine.client.progress(task_id)
    return None if said is None else (said.fraction, said.text)
