"""The parts of the metrics: each asks one thing, and can fail alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from agentpg.db import Statements
from agentpg.desk.monitor.reading import Reader
from agentpg.desk.monitor.tally import Names, Tally

_MOST_TABLES = 30
_MOST_SLOTS = 20

_CHECKPOINTER_SINCE = 170000


@dataclass(frozen=True, slots=True)
class Sample:
    """One number; the labels in the order of the metric's. None: not known.

    `buckets` are a histogram's, cumulative, of which `value` is the sum.
    """

    name: str
    labels: list[str]
    value: float | None
    buckets: tuple[tuple[str, float], ...] = ()


Look = Callable[[Reader], list[Sample]]


def parts(tally: Tally) -> Mapping[str, Look]:
    """Every part that asks the server, by name."""
    return {
        "server": _asks("server"),
        "activity": _asks("activity"),
        "horizon": _asks("horizon"),
        "database": _asks("database"),
        "wal": _asks("wal"),
        "checkpoints": _look_at_checkpoints,
        "replication": _asks("replication", most=_MOST_SLOTS),
        "tables": _asks("tables", most=_MOST_TABLES),
        "sizes": _asks("sizes", most=_MOST_TABLES),
        "queue": _QueueLook(tally.agents),
        "oldest": _asks("oldest_plain"),
        "unhandled": _asks("nobody_knows"),
        "workers": _asks("workers"),
        "schedules": _asks("schedules"),
        "executions": lambda reader: _look_at_tally(reader, tally),
    }


def _asks(statement: str, **values: object) -> Look:
    def look(reader: Reader) -> list[Sample]:
        return _samples(reader, statement, **values)

    return look


def _samples(reader: Reader, statement: str, **values: object) -> list[Sample]:
    statements = Statements("metrics", reader.schema)
    said = {"schema": reader.schema, **values}
    return reader.rows(statements, statement, Sample, **said)


def _look_at_checkpoints(reader: Reader) -> list[Sample]:
    newer = reader.server_version >= _CHECKPOINTER_SINCE
    return _samples(reader, "checkpoints" if newer else "checkpoints_16")


@dataclass(frozen=True, slots=True)
class _QueueLook:
    """Agents beyond a number are one: their tasks together, and the longest of their times."""

    agents: Names

    def __call__(self, reader: Reader) -> list[Sample]:
        summed: dict[tuple[str, tuple[str, ...]], Sample] = {}
        for sample in _samples(reader, "queue"):
            named = replace(sample, labels=[self.agents(sample.labels[0]), *sample.labels[1:]])
            key = (named.name, tuple(named.labels))
            before = summed.get(key)
            summed[key] = named if before is None else _together(before, named)
        return list(summed.values())


def _together(one: Sample, other: Sample) -> Sample:
    values = one.value or 0.0, other.value or 0.0
    return replace(one, value=max(values) if one.name.endswith("_seconds") else sum(values))


def _look_at_tally(reader: Reader, tally: Tally) -> list[Sample]:
    tally.look(reader)
    return list(_of_executions(tally)) + list(_of_calls(tally))


def _of_executions(tally: Tally) -> Iterator[Sample]:
    counts = tally.counts
    yield Sample("agentpg_executions_open", [], float(tally.open))
    yield Sample("agentpg_executions_left_out_total", [], float(tally.left_out))
    for (agent, outcome), number in sorted(counts.executions.items()):
        yield Sample("agentpg_executions_total", [agent, outcome], float(number))
    for name, times in (
        ("agentpg_execution_run_seconds", counts.runs),
        ("agentpg_task_wait_seconds", counts.waits),
    ):
        for agent, histogram in sorted(times.items()):
            yield Sample(name, [agent], histogram.seconds, tuple(histogram.cumulative()))


def _of_calls(tally: Tally) -> Iterator[Sample]:
    for (agent, model, status), number in sorted(tally.counts.calls.items()):
        yield Sample("agentpg_llm_calls_total", [agent, model, status], float(number))
    for (agent, model), spent in sorted(tally.counts.spent.items()):
        for kind, tokens in spent.tokens.items():
            yield Sample("agentpg_llm_tokens_total", [agent, model, kind], float(tokens))
        cost = float(spent.cost_usd)
        yield Sample("agentpg_llm_cost_usd_total", [agent, model], cost)
        unpriced = float(spent.unpriced)
        yield Sample("agentpg_llm_unpriced_calls_total", [agent, model], unpriced)
