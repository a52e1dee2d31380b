"""Two weeks of believable history: agents, failures, deaths of workers, three models."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from agentpg.db import Database, connect

_SPACE = UUID("6f0c8f0e-0000-4000-8000-000000000000")


@dataclass(frozen=True, slots=True)
class Kind:
    """How one handler behaves: how often a day, how long, how well, with which model."""

    agent: str
    task_type: str
    a_day: int
    seconds: float
    failing: float
    errors: tuple[str, ...]
    model: tuple[str, str] | None = None
    dollars_per_million: Decimal | None = None
    tokens: int = 0


KINDS = (
    Kind(
        "DocumentAgent", "summarize", 64, 14.0, 0.03,
        ("RateLimitError: 429 Too Many Requests, retry after 20 s",
         "ValueError: the answer is not JSON: line 3 column 17"),
        ("openai", "gpt-4o-mini"), Decimal("0.30"), 9_000,
    ),
    Kind(
        "ResearchAgent", "deep_research", 9, 210.0, 0.12,
        ("TimeoutError: no answer from https://search.example within 60 s",
         "OverloadedError: Overloaded (request 0198c1a2-7c11-7f00-8000-3d2c5a6b7c8d)"),
        ("anthropic", "claude-sonnet-4-5"), Decimal("5.40"), 61_000,
    ),
    Kind(
        "TriageAgent", "classify_ticket", 140, 0.9, 0.01,
        ("KeyError: 'priority'",),
        ("local", "llama-3.3-70b-instruct"), None, 1_200,
    ),
    Kind("TriageAgent", "notify_owner", 30, 0.12, 0.02, ("SMTPServerDisconnected: closed",)),
    Kind("SchemaAgent", "document_schema", 1, 1.6, 0.0, ("unused",)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Try:
    """One execution to be."""

    kind: Kind
    task: UUID
    attempt: int
    start: datetime
    seconds: float
    outcome: str
    error: str | None
    calls: tuple[tuple[int | None, Decimal | None], ...]


def write_history(database: Database, *, days: int = 15, seed: int = 7) -> None:
    """Fill an empty installation; the same seed gives the same but for today."""
    with connect(database) as connection:
        now = connection.execute("SELECT now()").fetchone()
        assert now is not None
        tries = list(_tries(seed, now[0].astimezone(UTC), days))
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL search_path = {database.schema}")
            cursor.executemany(_TASK, [_task(t) for t in _newest(tries)])
            cursor.executemany(_EXECUTION, [_execution(t) for t in tries])
            cursor.executemany(_REQUEST, [row for t in tries for row in _requests(t)])
            cursor.execute(_WORKERS, {"live": _worker(0), "dead": _worker(1)})
            cursor.execute(_WAITING)
        connection.execute("ANALYZE")


def _tries(seed: int, now: datetime, days: int) -> Iterator[Try]:
    for day in range(days):
        midnight = (now - timedelta(days=day)).replace(hour=0, minute=0, second=0, microsecond=0)
        over = min(now - midnight, timedelta(days=1)) / timedelta(days=1)
        busy = 0.35 if day % 7 in (1, 2) else 1.0
        for kind in KINDS:
            # Dice of its own for each: only today's figures depend on the time of day.
            dice = random.Random(f"{seed}/{day}/{kind.agent}/{kind.task_type}")
            for number in range(max(1, round(kind.a_day * busy * dice.uniform(0.8, 1.2) * over))):
                start = midnight + timedelta(days=over) * dice.random()
                yield from _task_tries(dice, kind, start, f"{day}/{number}", day)


def _task_tries(
    dice: random.Random, kind: Kind, start: datetime, name: str, day: int
) -> Iterator[Try]:
    task = uuid5(_SPACE, f"{kind.agent}/{kind.task_type}/{name}")
    failing = kind.failing * (4 if day == 3 and kind.tokens else 1)
    for attempt in range(1, 4):
        outcome, error = _fate(dice, kind, failing, day)
        seconds = kind.seconds * math.exp(dice.gauss(0, 0.5))
        calls = _calls(dice, kind, outcome)
        yield Try(kind, task, attempt, start, seconds, outcome, error, calls)
        if outcome not in ("failed", "timed_out", "lost", "released"):
            return
        start += timedelta(seconds=seconds + 2**attempt)


def _fate(dice: random.Random, kind: Kind, failing: float, day: int) -> tuple[str, str | None]:
    roll = dice.random()
    if roll < failing:
        return "failed", dice.choice(kind.errors)
    if kind.seconds > 100 and roll < failing + 0.03:
        return "timed_out", "the handler's time of 600 s was over"
    if day == 2 and roll < failing + 0.05:
        return "lost", "its worker died"
    if roll > 0.998:
        return "cancelled", "cancelled by admin"
    if roll > 0.995:
        return "released", "its worker stopped"
    return "completed", None


def _calls(
    dice: random.Random, kind: Kind, outcome: str
) -> tuple[tuple[int | None, Decimal | None], ...]:
    if kind.model is None:
        return ()
    known = [round(kind.tokens * math.exp(dice.gauss(0, 0.4)) / 3) for _ in range(3)]
    price = kind.dollars_per_million
    calls = [(n, None if price is None else price * n / 1_000_000) for n in known]
    return (*calls[: dice.randint(1, 3)], *([(None, None)] if outcome == "lost" else []))


def _newest(tries: list[Try]) -> list[Try]:
    return list({t.task: t for t in tries}.values())


_TASK = """
    INSERT INTO tasks (id, agent_name, task_type, status, created_at, run_at, attempt, errors,
                       started_at, finished_at, error_message)
    VALUES (%(task)s, %(agent)s, %(type)s, %(status)s, %(ready)s, %(ready)s, %(attempt)s, 0,
            %(start)s, %(end)s, %(error)s)
"""


def _task(newest: Try) -> dict[str, Any]:
    bad = newest.outcome in ("failed", "timed_out", "lost", "released")
    status = "failed" if bad else newest.outcome
    wait = timedelta(seconds=0.02 + newest.seconds * 0.05)
    return {**_execution(newest), "status": status, "ready": newest.start - wait}


_EXECUTION = """
    INSERT INTO agent_executions (
        task_id, attempt, agent_name, task_type, worker, execution_start, execution_end,
        duration_seconds, outcome, error_message, llm_calls, llm_total_tokens,
        llm_input_tokens, llm_output_tokens, llm_unknown_calls, llm_unpriced_calls, cost_usd)
    VALUES (%(task)s, %(attempt)s, %(agent)s, %(type)s, %(worker)s, %(start)s, %(end)s,
            %(seconds)s, %(outcome)s, %(error)s, %(calls)s, %(tokens)s, %(input)s, %(output)s,
            %(unknown)s, %(unpriced)s, %(cost)s)
"""


def _execution(one: Try) -> dict[str, Any]:
    lost = one.outcome == "lost"
    costs = [cost for _, cost in one.calls if cost is not None]
    tokens = sum(tokens or 0 for tokens, _ in one.calls)
    output = sum(_output(tokens) or 0 for tokens, _ in one.calls)
    return {
        "task": one.task, "attempt": one.attempt, "agent": one.kind.agent,
        "type": one.kind.task_type, "worker": _worker(1 if lost else 0), "start": one.start,
        "end": one.start + timedelta(seconds=one.seconds), "outcome": one.outcome,
        "seconds": None if lost else one.seconds, "error": one.error,
        "calls": len(one.calls), "tokens": tokens, "input": tokens - output, "output": output,
        "unknown": sum(tokens is None for tokens, _ in one.calls),
        "unpriced": sum(cost is None for _, cost in one.calls),
        "cost": sum(costs, Decimal()) if costs else None,
    }  # fmt: skip


_REQUEST = """
    INSERT INTO llm_requests (task_id, attempt, agent_name, provider, model, status, started_at,
                              ended_at, duration_seconds, input_tokens, output_tokens, cost_usd,
                              cost_source)
    VALUES (%(task)s, %(attempt)s, %(agent)s, %(provider)s, %(model)s, %(status)s, %(start)s,
            %(end)s, %(seconds)s, %(input)s, %(output)s, %(cost)s, %(source)s)
"""


def _requests(one: Try) -> Iterator[dict[str, Any]]:
    provider, model = one.kind.model or ("", "")
    for tokens, cost in one.calls:
        part = replace(one, seconds=one.seconds / len(one.calls))
        yield {
            **_execution(part), "provider": provider, "model": model, "cost": cost,
            "input": None if tokens is None else tokens - (_output(tokens) or 0),
            "output": _output(tokens),
            "status": "lost" if tokens is None else "ok",
            "source": "unpriced" if cost is None else "genai-prices",
        }  # fmt: skip


def _output(tokens: int | None) -> int | None:
    return None if tokens is None else tokens // 6


def _worker(number: int) -> UUID:
    return uuid5(_SPACE, f"worker {number}")


_WORKERS = """
    INSERT INTO workers (id, host, pid, version, concurrency, lease_seconds, handlers,
                         heartbeat_at, ended_at, ended_how)
    VALUES (%(live)s, 'agents-1', 4711, '0.1.0', 20, 3600,
            '[["DocumentAgent", "summarize"], ["ResearchAgent", "deep_research"],
              ["TriageAgent", "classify_ticket"], ["TriageAgent", "notify_owner"],
              ["SchemaAgent", "document_schema"], ["ReportAgent", "weekly_report"]]',
            now(), NULL, NULL),
           (%(dead)s, 'agents-2', 815, '0.1.0', 20, 30, '[]',
            now() - interval '2 days', now() - interval '2 days', 'lost')
"""

_WAITING = """
    INSERT INTO tasks (agent_name, task_type, status, created_at, run_at, held_reason)
    SELECT 'BillingAgent', 'invoice', 'pending', now() - interval '3 hours',
           now() - interval '3 hours', NULL FROM generate_series(1, 4)
    UNION ALL
    SELECT 'DocumentAgent', 'summarize', 'pending', now(), now(), 'over its budget'
    UNION ALL
    SELECT 'DocumentAgent', 'summarize', 'pending', now(), now(), NULL FROM generate_series(1, 6)
"""
