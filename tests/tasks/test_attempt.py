"""What comes of a handler, whatever it does, and where that takes its task."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from agentpg.errors import HandlerStopped
from agentpg.tasks.attempt import decide, released
from agentpg.tasks.handlers import Handler, Permanent
from agentpg.tasks.model import Claimed, Outcome, TaskStatus, Verdict
from agentpg.tasks.retry import Backoff
from agentpg.tasks.run import Run
from tests.tasks.claimed import attempt_of, claimed

pytestmark = pytest.mark.without_server

Stop = tuple[Outcome, str]

# Set by a handler that is to be stopped.
BEGUN = threading.Event()


def handler_of(function: Callable[..., Any], **rules: Any) -> Handler:
    return Handler(agent_name="A", task_type="t", function=function, **rules)


def verdict_of(
    function: Callable[..., Any], payload: Any = None, *, stop: Stop | None = None, **rules: Any
) -> Verdict:
    """Run one attempt; `stop` interrupts it once the handler has set BEGUN."""
    BEGUN.clear()

    async def attempting() -> Verdict:
        attempt = attempt_of(handler_of(function, **rules), claimed(payload))
        verdict = asyncio.ensure_future(attempt.verdict())
        if stop is not None:
            await asyncio.to_thread(BEGUN.wait, 10)
            attempt.stop(*stop)
        return await verdict

    return asyncio.run(attempting())


def test_an_async_handler_runs_in_the_loop_and_a_sync_one_in_a_thread() -> None:
    async def in_loop(run: Run) -> bool:
        return threading.current_thread() is threading.main_thread()

    def in_thread(run: Run) -> bool:
        return threading.current_thread() is threading.main_thread()

    assert verdict_of(in_loop).result == "true"
    assert verdict_of(in_thread).result == "false"


def test_a_verdict_tells_how_long_the_handler_took() -> None:
    async def nap(run: Run) -> None:
        await asyncio.sleep(0.05)

    seconds = verdict_of(nap).seconds
    assert seconds is not None
    assert 0.04 < seconds < 5


@pytest.mark.parametrize(
    ("payload", "result"),
    [
        ({"a": 1, "b": [2]}, '{"a":1,"b":[2]}'),
        (None, "{}"),
        ({}, "{}"),
    ],
)
def test_an_object_becomes_keyword_arguments(payload: Any, result: str) -> None:
    def echo(run: Run, **named: Any) -> Any:
        return named

    assert verdict_of(echo, payload).result == result


@pytest.mark.parametrize("payload", ["text", 7, [1, 2], True, 0])
def test_any_other_payload_becomes_one_argument(payload: Any) -> None:
    def same(run: Run, given: Any) -> bool:
        return bool(given == payload)

    assert verdict_of(same, payload).result == "true"


@pytest.mark.parametrize("payload", [{"b": 1}, {"a": 1, "b": 2}, None, [1], {"run": 1, "a": 1}])
def test_a_payload_that_does_not_fit_fails_for_good(payload: Any) -> None:
    async def one_name(run: Run, *, a: int) -> int:
        return a

    verdict = verdict_of(one_name, payload)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.permanent
    assert verdict.error is not None
    assert verdict.error.startswith("the payload does not fit the handler: ")


def test_an_exception_is_told_with_its_kind() -> None:
    async def broken(run: Run) -> None:
        raise KeyError("priority")

    assert verdict_of(broken).error == "KeyError: 'priority'"
    assert verdict_of(broken).outcome is Outcome.FAILED
    assert not verdict_of(broken).permanent


def test_a_permanent_failure_says_only_its_reason() -> None:
    def broken(run: Run) -> None:
        raise Permanent("no such customer")

    verdict = verdict_of(broken)
    assert (verdict.permanent, verdict.error) == (True, "no such customer")


def raise_of(error: BaseException, kind: str) -> Callable[..., Any]:
    async def in_loop(run: Run) -> None:
        raise error

    def in_thread(run: Run) -> None:
        raise error

    return in_loop if kind == "async" else in_thread


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SystemExit(3), "the handler called sys.exit(3)"),
        (SystemExit(), "the handler called sys.exit(None)"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (StopIteration(), "StopIteration"),
        (GeneratorExit(), "GeneratorExit"),
        (BaseException("bare"), "BaseException: bare"),
        (asyncio.CancelledError(), "ancelled"),
        (TimeoutError("mine"), "TimeoutError: mine"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_nothing_escapes_from_a_handler(error: BaseException, told: str, kind: str) -> None:
    verdict = verdict_of(raise_of(error, kind))
    assert verdict.outcome is Outcome.FAILED
    assert verdict.error is not None
    assert told in verdict.error


def test_an_error_text_is_made_storable_and_short() -> None:
    def broken(run: Run) -> None:
        raise ValueError("zero \x00 half \ud800 " + "x" * 20_000)

    error = verdict_of(broken).error
    assert error is not None
    assert error.startswith("ValueError: zero \\x00 half \\ud800 xxx")
    assert len(error) == 10_000


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({1, 2}, "the result is not JSON: Object of type set"),
        (float("nan"), "the result is not JSON: "),
        ("\ud800", "the result is not JSON: a text holds half of a surrogate pair"),
        ({"a": "\x00"}, "the result is not JSON: a text holds the character U+0000"),
        ("x" * 2000, "the result has 2002 bytes, over the limit of 1024"),
    ],
    ids=["set", "nan", "surrogate", "zero", "large"],
)
def test_a_result_that_cannot_be_stored_fails_the_attempt(result: Any, told: str) -> None:
    verdict = verdict_of(lambda run: result)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.error is not None
    assert verdict.error.startswith(told)


def test_no_result_is_no_result() -> None:
    verdict = verdict_of(lambda run: None)
    assert (verdict.outcome, verdict.result) == (Outcome.COMPLETED, None)


class Mute(Exception):
    """Fails even at saying what went wrong."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_an_exception_that_cannot_be_told_is_a_failure_like_any_other(kind: str) -> None:
    verdict = verdict_of(raise_of(Mute(), kind))
    assert (verdict.outcome, verdict.error) == (Outcome.FAILED, "Mute: it cannot say why")


TENTH = timedelta(seconds=0.1)


def test_an_async_handler_is_cancelled_when_its_time_is_over() -> None:
    tidied = []

    async def slow(run: Run) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            tidied.append(run.stopping)

    verdict = verdict_of(slow, timeout=TENTH)
    assert verdict.outcome is Outcome.TIMED_OUT
    assert verdict.error == "the handler took longer than 100ms"
    assert tidied == [True]


def test_returning_late_is_still_out_of_time() -> None:
    async def stubborn(run: Run) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)
        return "late"

    verdict = verdict_of(stubborn, timeout=TENTH)
    assert (verdict.outcome, verdict.result) == (Outcome.TIMED_OUT, None)


def test_failing_late_is_still_out_of_time() -> None:
    async def stubborn(run: Run) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError("angry") from None

    assert verdict_of(stubborn, timeout=TENTH).outcome is Outcome.TIMED_OUT


def test_a_sync_handler_out_of_time_is_not_waited_for() -> None:
    let_go = threading.Event()

    def slow(run: Run) -> None:
        let_go.wait(60)

    verdict = verdict_of(slow, timeout=TENTH)
    let_go.set()
    assert verdict.outcome is Outcome.TIMED_OUT
    assert verdict.seconds is not None
    assert verdict.seconds < 5


def test_its_thread_keeps_the_slot_until_it_has_ended() -> None:
    let_go = threading.Event()

    async def attempting() -> None:
        handler = handler_of(lambda run: let_go.wait(60), timeout=TENTH)
        attempt = attempt_of(handler, claimed())
        await attempt.verdict()
        ended = asyncio.ensure_future(attempt.thread_ended())
        await asyncio.wait([ended], timeout=0.05)
        assert not ended.done()
        let_go.set()
        await asyncio.wait_for(ended, 5)

    asyncio.run(attempting())


def test_a_sync_handler_learns_of_its_end_through_its_run() -> None:
    def loops(run: Run) -> None:
        BEGUN.set()
        while True:
            run.check()

    cancelled = verdict_of(loops, stop=(Outcome.CANCELLED, "cancelled on request"))
    assert (cancelled.outcome, cancelled.error) == (Outcome.CANCELLED, "cancelled on request")
    assert verdict_of(loops, timeout=TENTH).outcome is Outcome.TIMED_OUT


def test_a_stop_that_nobody_asked_for_is_a_failure() -> None:
    def stops(run: Run) -> None:
        raise HandlerStopped("I felt like it")

    verdict = verdict_of(stops)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.error == "the run must stop: I felt like it"


def test_work_done_before_a_cancellation_reached_it_is_kept() -> None:
    async def finishes(run: Run) -> str:
        BEGUN.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "done"
        return "never"

    def finishes_too(run: Run) -> str:
        BEGUN.set()
        while not run.stopping:
            pass
        return "done"

    for handler in (finishes, finishes_too):
        verdict = verdict_of(handler, stop=(Outcome.CANCELLED, "cancelled on request"))
        assert (verdict.outcome, verdict.result) == (Outcome.COMPLETED, '"done"')


def test_the_first_reason_to_stop_counts() -> None:
    async def attempting() -> Verdict:
        async def slow(run: Run) -> None:
            await asyncio.sleep(60)

        attempt = attempt_of(handler_of(slow), claimed())
        attempt.stop(Outcome.CANCELLED, "first")
        attempt.stop(Outcome.RELEASED, "second")
        return await attempt.verdict()

    verdict = asyncio.run(attempting())
    assert (verdict.outcome, verdict.error) == (Outcome.CANCELLED, "first")


def test_sys_exit_in_a_thread_leaves_the_process_alone() -> None:
    assert verdict_of(lambda run: sys.exit("bye")).error == "the handler called sys.exit('bye')"


# Where a verdict takes its task

NO_WAIT = Backoff(first=timedelta(seconds=8), jitter=0)


def decided(verdict: Verdict, task: Claimed | None = None, **rules: Any) -> tuple[Any, ...]:
    handler = handler_of(lambda run: None, **{"backoff": NO_WAIT, **rules})
    settlement = decide(task or claimed(), handler, verdict)
    return settlement.status, settlement.errors, settlement.crashes, settlement.delay_seconds


FAILED = Verdict(outcome=Outcome.FAILED, error="no")


def test_a_completed_attempt_completes_its_task() -> None:
    done = Verdict(outcome=Outcome.COMPLETED, result="1", seconds=2.0)
    assert decided(done) == (TaskStatus.COMPLETED, 0, 0, 0.0)
    settlement = decide(claimed(), handler_of(lambda run: None), done)
    assert (settlement.result, settlement.seconds, settlement.suspect) == ("1", 2.0, False)


def test_a_failed_attempt_is_tried_again_later() -> None:
    assert decided(FAILED) == (TaskStatus.PENDING, 1, 0, 8.0)
    assert decided(FAILED, claimed(errors=1)) == (TaskStatus.PENDING, 1, 0, 16.0)
    late = Verdict(outcome=Outcome.TIMED_OUT, error="late")
    assert decided(late) == (TaskStatus.PENDING, 1, 0, 8.0)


def test_the_last_failure_ends_the_task() -> None:
    assert decided(FAILED, claimed(errors=2))[0] is TaskStatus.FAILED
    assert decided(FAILED, max_attempts=1)[0] is TaskStatus.FAILED
    permanent = Verdict(outcome=Outcome.FAILED, error="no", permanent=True)
    assert decided(permanent)[0] is TaskStatus.FAILED


def test_a_task_s_own_limit_counts_before_its_handler_s() -> None:
    assert decided(FAILED, claimed(max_attempts=1), max_attempts=5)[0] is TaskStatus.FAILED
    assert decided(FAILED, claimed(max_attempts=5, errors=3), max_attempts=1)[0] is (
        TaskStatus.PENDING
    )


def test_a_stricter_handler_does_not_contradict_what_was_counted() -> None:
    handler = handler_of(lambda run: None, max_attempts=1)
    settlement = decide(claimed(errors=4), handler, FAILED)
    assert (settlement.status, settlement.max_attempts) == (TaskStatus.FAILED, 5)


def test_a_crash_alone_is_counted_and_the_third_is_the_last() -> None:
    died = Verdict(outcome=Outcome.LOST, error="its process was killed by signal 9 (SIGKILL)")
    alone = claimed(suspect=True, losses=1)
    assert decided(died, alone) == (TaskStatus.PENDING, 0, 1, 8.0)
    third = claimed(suspect=True, crashes=2, losses=3)
    assert decided(died, third)[0] is TaskStatus.FAILED
    error = decide(third, handler_of(lambda run: None), died).error
    assert error == (
        "quarantined after 3 crashes and 4 lost executions; "
        "the last one: its process was killed by signal 9 (SIGKILL)"
    )


def test_the_tenth_loss_is_the_last() -> None:
    died = Verdict(outcome=Outcome.LOST, error="its process ended with exit code 1")
    assert decided(died, claimed(losses=8))[0] is TaskStatus.PENDING
    assert decided(died, claimed(losses=9))[0] is TaskStatus.FAILED


def test_what_must_not_run_twice_ends_with_its_crash() -> None:
    died = Verdict(outcome=Outcome.LOST, error="its process ended with exit code 1")
    task = claimed(on_crash="fail")
    assert decided(died, task)[0] is TaskStatus.FAILED
    error = decide(task, handler_of(lambda run: None), died).error
    assert error is not None
    assert "must not run twice" in error


def test_what_is_handed_back_counts_as_nothing() -> None:
    back = Verdict(outcome=Outcome.RELEASED, error="its worker stopped", seconds=1.0)
    assert decided(back) == (TaskStatus.PENDING, 0, 0, 0.0)
    settlement = released(claimed().id, 3, "why")
    assert (settlement.max_attempts, settlement.suspect, settlement.attempt) == (None, None, 3)


def test_secrets_in_an_error_are_not_passed_on() -> None:
    async def leaks(run: Run) -> None:
        raise RuntimeError("no answer from postgresql://me:s3cret@db/x with Bearer abc.def")

    def gives_up(run: Run) -> None:
        raise Permanent("the key sk-proj-abcdefghijkl is wrong")

    assert verdict_of(leaks).error == (
        "RuntimeError: no answer from postgresql://me:***@db/x with Bearer ***"
    )
    assert verdict_of(gives_up).error == "the key sk-*** is wrong"
