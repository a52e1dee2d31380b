"""`agentpg monitor top`: a live screen, and what its keys do."""

from __future__ import annotations

import dataclasses
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Command
from agentpg.cli.output import json_option
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION
from agentpg.errors import AgentpgError, UsageError
from agentpg.language import N_, Translate

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from agentpg.cli.top_state import Doing, State
    from agentpg.db import Database
    from agentpg.desk.monitor.pulse import Frame, Pulse
    from agentpg.desk.monitor.sessions import Session as Seen

_SHORTEST = timedelta(milliseconds=500)

# How soon a resized terminal, or what was looked at, is shown.
_TICK_SECONDS = 0.2

# One frame wants a pace, for which two looks are taken.
_ONCE_SECONDS = 1.0

# Where nothing says how wide a line may be.
_WIDTH_OF_NO_TERMINAL = 120


@click.command(
    "top",
    cls=Command,
    examples="""
        agentpg monitor top
        agentpg monitor top --interval 5s
        # One frame, for a script or a chat.
        agentpg monitor top --once
        agentpg monitor top --json | jq '.agents[] | select(.failed > 0) | .name'
    """,
)
@click.option(
    "--interval",
    type=DURATION,
    default="2s",
    show_default=True,
    metavar="TIME",
    help="How often to look.",
)
@click.option("--once", is_flag=True, help="Print one frame and end.")
@json_option
@click.pass_obj
def top(session: Session, interval: timedelta, once: bool, as_json: bool) -> None:
    """Show the server, the agents and the sessions, live.

    Paces of agents are those of the last minute. Keys: q ends it, s sorts, / filters, p pauses,
    the arrows choose a session, e explains its statement without running it, c asks it to end
    its statement. Where the server goes away, the screen says so and comes back with it.
    """
    if interval < _SHORTEST:
        raise UsageError(N_("--interval must be 500ms or more"))
    database = session.monitor_database
    if once or as_json:
        _print_once(session, database, as_json=as_json)
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(N_("there is no terminal to draw on"), hint=N_("--once prints one frame."))
    _run(session, database, interval)


def _look_twice(database: Database) -> Frame:
    from agentpg.desk.monitor.pulse import Pulse

    pulse = Pulse(database)
    try:
        pulse.look()
        time.sleep(_ONCE_SECONDS)
        return pulse.look()
    finally:
        pulse.close()


def _print_once(session: Session, database: Database, *, as_json: bool) -> None:
    from agentpg.cli.top_screen import Screen
    from agentpg.cli.top_state import State

    frame = _look_twice(database)
    if as_json:
        known = {field.name: getattr(frame, field.name) for field in dataclasses.fields(frame)}
        session.out.json({**known, "total": frame.total})
        return
    state = State(_doing(database, session.translate), frame=frame)
    width = min(session.out.width, _WIDTH_OF_NO_TERMINAL)
    screen = Screen(session.translate, width, 0)
    for line in screen.lines(state, footer=False):
        line.rstrip()
        session.out.styled(line)
    if left_out := screen.left_out():
        text = N_("Left out at {width} columns: {titles}. COLUMNS says how many there are.")
        titles = ", ".join(map(session.translate, left_out))
        session.out.note(session.translate(text).format(width=width, titles=titles))


def _doing(database: Database, translate: Translate) -> Doing:
    from agentpg.cli.top_state import Doing
    from agentpg.desk.monitor.acting import cancel, explain

    def explained(one: Seen) -> list[str]:
        try:
            plan = explain(database, one)
        except AgentpgError as error:
            return [error.message(translate)]
        planned = translate(N_("planned with search_path {path}"))
        return [*plan.lines, "", planned.format(path=plan.search_path)]

    def cancelled(one: Seen) -> str:
        try:
            cancel(database, one)
        except AgentpgError as error:
            return error.message(translate)
        text = translate(N_("Process {pid} was asked to end its statement."))
        return text.format(pid=one.pid)

    return Doing(explained, cancelled)


class _Looking:
    """Looks again and again in a thread, so that keys work while the server does not answer."""

    def __init__(self, pulse: Pulse, interval: timedelta, translate: Translate) -> None:
        self._pulse = pulse
        self._interval = interval.total_seconds()
        self._translate = translate
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.paused = False
        self.ended = False
        self.frame: Frame | None = None
        self.away = ""
        self.looked_at = time.monotonic()

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def end(self) -> None:
        """Look no more; one that waits for a server is left behind."""
        self.ended = True
        self._wake.set()
        self._thread.join(_TICK_SECONDS)

    def silence(self) -> str:
        """What is wrong: the error of the last look, or that none has come back."""
        waited = time.monotonic() - self.looked_at
        if not self.away and not self.paused and waited > self._interval + 3:
            text = self._translate(N_("The server has not answered for {number} s."))
            return text.format(number=round(waited))
        return self.away

    def _run(self) -> None:
        while not self.ended:
            if not self.paused:
                self._look()
            self._wake.wait(self._interval)

    def _look(self) -> None:
        try:
            self.frame, self.away = self._pulse.look(), ""
        except AgentpgError as error:
            self.away = error.message(self._translate)
        self.looked_at = time.monotonic()


def _run(session: Session, database: Database, interval: timedelta) -> None:
    from rich.console import Console
    from rich.live import Live

    from agentpg.cli.top_keys import Keyboard
    from agentpg.cli.top_state import State
    from agentpg.desk.monitor.pulse import Pulse

    console = Console(no_color=session.no_color or None, highlight=False)
    looking = _Looking(Pulse(database), interval, session.translate)
    state = State(_doing(database, session.translate))
    with _quiet_signals(state), Keyboard(sys.stdin.fileno()) as keyboard:
        live = Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop")
        with live:
            looking.start()
            shown: object = None
            while not state.ended:
                state.frame, state.away = looking.frame, looking.silence()
                now = (looking.frame, state.away, console.size)
                if now != shown:
                    _draw(live, console, session.translate, state)
                    shown = now
                for key in keyboard.pressed(_TICK_SECONDS):
                    state.press(key)
                    shown = None
                looking.paused = state.paused
            looking.end()


def _draw(live: Live, console: Console, translate: Translate, state: State) -> None:
    from rich.text import Text

    from agentpg.cli.top_screen import Screen

    width, height = console.size
    lines = Screen(translate, width, height).lines(state)
    whole = Text("\n", no_wrap=True, overflow="crop", end="").join(lines)
    live.update(whole, refresh=True)


@contextmanager
def _quiet_signals(state: State) -> Iterator[None]:
    """What would end the process ends the screen instead, so that the terminal is restored."""

    def end(*_: object) -> None:
        state.ended = True

    chosen: dict[signal.Signals, signal.Handlers | Callable[..., object]] = {
        signal.SIGINT: end,
        signal.SIGTERM: end,
        signal.SIGHUP: end,
        # Stopped, it would leave the shell with our screen.
        signal.SIGTSTP: signal.SIG_IGN,
    }
    before = {number: signal.signal(number, handler) for number, handler in chosen.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
