"""An app: which function handles which task, and under which rules."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from agentpg.errors import AgentpgError, HandlerNotImportable
from agentpg.language import N_
from agentpg.quantities import format_duration
from agentpg.tasks.encoding import Unreadable, encode_payload, plain_text
from agentpg.tasks.limits import Limit
from agentpg.tasks.retry import DEFAULT_MAX_ATTEMPTS, MOST_ATTEMPTS, Backoff
from agentpg.tasks.schedules import CatchUp, NewSchedule, check_schedule

Function = TypeVar("Function", bound=Callable[..., Any])
OnCrash = Literal["retry", "fail"]
RunsIn = Literal["worker", "process"]

# So many shapes of payload that fit are remembered for each handler.
_SHAPES = 64


class Permanent(Exception):
    """Raised by a handler for a failure that another attempt cannot mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A function with its rules.

    The function is called as `function(run, **payload)` when the payload is an object or
    nothing, and as `function(run, payload)` otherwise. It may be async, or sync: then it
    runs in a thread. `timeout` is how long one attempt may take, None for ever.
    `max_attempts` is how many failed attempts end a task that does not say so itself.
    `on_crash` is "fail" for work that must not run twice. `runs_in` is "process" for work that
    keeps a processor busy: it runs in a child process of the worker, which a time-out and a
    cancellation end even if the function takes no notice, and whose death ends nothing else.
    Such a function is defined at the top of a module that can be imported.
    """

    agent_name: str
    task_type: str
    function: Callable[..., Any]
    timeout: timedelta | None = None
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    backoff: Backoff = field(default_factory=Backoff)
    on_crash: OnCrash = "retry"
    runs_in: RunsIn = "worker"
    is_async: bool = field(init=False)
    _signature: inspect.Signature = field(init=False, repr=False, compare=False)
    _fitting: set[tuple[int | str, ...]] = field(
        init=False, repr=False, compare=False, default_factory=set
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_async", inspect.iscoroutinefunction(self.function))
        object.__setattr__(self, "_signature", inspect.signature(self.function))
        _require_name("agent_name", self.agent_name)
        _require_name("task_type", self.task_type)
        if not 1 <= self.max_attempts <= MOST_ATTEMPTS:
            raise ValueError(f"max_attempts is 1 to {MOST_ATTEMPTS}, not {self.max_attempts}")
        if self.timeout is not None and self.timeout <= timedelta():
            raise ValueError(f"timeout is more than nothing, not {self.timeout}")
        if self.on_crash not in ("retry", "fail"):
            raise ValueError(f'on_crash is "retry" or "fail", not {self.on_crash!r}')
        if self.runs_in not in ("worker", "process"):
            raise ValueError(f'runs_in is "worker" or "process", not {self.runs_in!r}')
        if self.runs_in == "process":
            self._require_importable()

    @property
    def key(self) -> tuple[str, str]:
        """Agent and type."""
        return (self.agent_name, self.task_type)

    def arguments(self, payload: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """How the function takes this payload, after the run.

        Raises Permanent where it does not: another attempt would not take it either.
        """
        if isinstance(payload, Unreadable):
            reason = f"the payload cannot be read: {payload.unreadable}"
            # Another worker may have the key, or this one later.
            raise AgentpgError(reason) if payload.may_pass else Permanent(reason)
        named = payload if isinstance(payload, dict) else {}
        given = () if payload is None or isinstance(payload, dict) else (payload,)
        shape = (len(given), *named)
        if shape not in self._fitting:
            self._bind(given, named)
            if len(self._fitting) < _SHAPES:
                self._fitting.add(shape)
        return given, named

    @property
    def too_long(self) -> str:
        """What is recorded when its time was over."""
        return f"the handler took longer than {format_duration(self.timeout or timedelta())}"

    def _require_importable(self) -> None:
        """Refuse a function that a child process could not find by its name.

        Whether the name leads to this very function is known when its module is complete.
        """
        function = self.function
        module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
        reason = ""
        if not name or "<" in name:
            reason = N_("it is defined inside a function")
        elif module == "__main__":
            reason = N_("it belongs to the script that was started")
        if reason:
            raise HandlerNotImportable(
                reason,
                function=f"{module}.{name or repr(function)}",
                agent_name=self.agent_name,
                task_type=self.task_type,
            )

    def _bind(self, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        try:
            self._signature.bind(None, *given, **named)
        except TypeError as error:
            raise Permanent(f"the payload does not fit the handler: {error}") from None


class App:
    """A set of handlers that a worker runs, and of schedules that it writes as it starts.

    app = App()

    @app.task("Greeter", "greet")
    async def greet(run: Run, name: str) -> str:
        return f"Hello, {name}"
    """

    def __init__(self) -> None:
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._schedules: dict[str, NewSchedule] = {}
        self._limits: dict[tuple[str, str | None, str | None], Limit] = {}

    def task(
        self,
        agent_name: str,
        task_type: str,
        *,
        timeout: timedelta | None = None,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        backoff: Backoff | None = None,
        on_crash: OnCrash = "retry",
        runs_in: RunsIn = "worker",
    ) -> Callable[[Function], Function]:
        """Register the decorated function; see Handler for the rules."""

        def register(function: Function) -> Function:
            self.add(
                function,
                agent_name=agent_name,
                task_type=task_type,
                timeout=timeout,
                max_attempts=max_attempts,
                backoff=backoff,
                on_crash=on_crash,
                runs_in=runs_in,
            )
            return function

        return register

    def add(
        self,
        function: Callable[..., Awaitable[Any]] | Callable[..., Any],
        *,
        agent_name: str,
        task_type: str,
        timeout: timedelta | None = None,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        backoff: Backoff | None = None,
        on_crash: OnCrash = "retry",
        runs_in: RunsIn = "worker",
    ) -> Handler:
        """Register `function`; see Handler for the rules."""
        return self._put(
            Handler(
                agent_name=agent_name,
                task_type=task_type,
                function=function,
                timeout=timeout,
                max_attempts=max_attempts,
                backoff=backoff or Backoff(),
                on_crash=on_crash,
                runs_in=runs_in,
            )
        )

    def schedule(
        self,
        name: str,
        *,
        cron: str,
        agent_name: str,
        task_type: str,
        payload: Any = None,
        time_zone: str = "UTC",
        catch_up: str = CatchUp.ONE,
        priority: int = 100,
        max_attempts: int | None = None,
        on_crash: OnCrash = "retry",
        tenant: str | None = None,
    ) -> NewSchedule:
        """Declare a schedule; NewSchedule says what the options mean.

        A worker of this app writes it to the database as it starts. What changed here is
        changed there; a schedule that a person paused stays paused, and one that is declared
        no more stays until it is removed. Raises InvalidSchedule or one of its kinds, and
        PayloadNotJson.
        """
        schedule = NewSchedule(
            name=name,
            agent_name=agent_name,
            task_type=task_type,
            cron=cron,
            time_zone=time_zone,
            catch_up=catch_up,
            payload=payload,
            priority=priority,
            max_attempts=max_attempts,
            on_crash=on_crash,
            tenant=tenant,
        )
        check_schedule(schedule, datetime.now(UTC))
        encode_payload(payload, sys.maxsize)  # how large it may be, a worker's settings say
        return self._put_schedule(schedule)

    @property
    def schedules(self) -> tuple[NewSchedule, ...]:
        """The schedules that are declared, in order."""
        return tuple(self._schedules.values())

    def limit(
        self,
        agent_name: str,
        *,
        task_type: str | None = None,
        key: str | None = None,
        concurrency: int | None = None,
        rate: int | None = None,
        period: timedelta | None = None,
    ) -> None:
        """Limit the tasks of an agent; see Limit for the options, and what it raises.

        Each worker that starts says so to the database, where it holds for all workers. What
        an operator has said there stays.
        """
        limit = Limit(
            agent_name=agent_name,
            task_type=task_type,
            key=key,
            concurrency=concurrency,
            rate=rate,
            period=period,
        )
        self._put_limit(limit)

    @property
    def limits(self) -> list[Limit]:
        """The limits that the code declares."""
        return list(self._limits.values())

    def include(self, other: App) -> None:
        """Take over all handlers, schedules and limits of another app."""
        for handler in other:
            self._put(handler)
        for schedule in other.schedules:
            self._put_schedule(schedule)
        for limit in other.limits:
            self._put_limit(limit)

    def find(self, agent_name: str, task_type: str) -> Handler | None:
        """The handler for an agent's task type, if there is one."""
        return self._handlers.get((agent_name, task_type))

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers.values())

    def __len__(self) -> int:
        return len(self._handlers)

    def _put(self, handler: Handler) -> Handler:
        if handler.key in self._handlers:
            raise ValueError(f"{handler.agent_name}/{handler.task_type} has a handler already")
        self._handlers[handler.key] = handler
        return handler

    def _put_schedule(self, schedule: NewSchedule) -> NewSchedule:
        if schedule.name in self._schedules:
            raise ValueError(f"the schedule {schedule.name!r} is declared already")
        self._schedules[schedule.name] = schedule
        return schedule

    def _put_limit(self, limit: Limit) -> None:
        same = (limit.agent_name, limit.task_type, limit.key)
        if self._limits.get(same, limit) != limit:
            tasks = f"{same[0]}/{same[1]}" if same[1] else same[0]
            by = f" by {limit.key}" if limit.key else ""
            raise ValueError(f"{tasks} has another limit{by} already")
        self._limits[same] = limit


def _require_name(what: str, name: str) -> None:
    if not 1 <= len(name) <= 100 or "\x1f" in name or plain_text(name) != name:
        raise ValueError(f"{what} has 1 to 100 characters, no U+0000 and no U+001F: {name!r}")
