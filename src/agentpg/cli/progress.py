"""How long work is shown: as a bar on a terminal, as lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

import click

from agentpg.cli.output import visible


class Bar:
    """A bar on a terminal's standard error; it disappears when the work has ended."""

    def __init__(self, title: str, total: int | None, *, no_color: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True, no_color=no_color or None),
            transient=True,
        )
        self._task = self._progress.add_task(title, total=total, note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def advance(self, amount: int = 1, note: str = "") -> None:
        """`amount` more is done; `note` says what."""
        self._progress.update(self._task, advance=amount, note=note)

    def expect(self, total: int) -> None:
        """The whole is now known, or larger than it was."""
        self._progress.update(self._task, total=total)

    def say(self, text: str) -> None:
        """A line of the result, above the bar where both are on the terminal."""
        text = visible(text)
        if sys.stdout.isatty():
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(text)


class Lines:
    """Plain lines on standard error: the title, then each note, and each tenth of the whole."""

    def __init__(self, title: str, total: int | None, *, no_color: bool) -> None:
        del no_color
        self._title = title
        self._total = total
        self._done = 0
        self._tenths = 0

    def __enter__(self) -> Self:
        click.echo(f"{self._title} …", err=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def advance(self, amount: int = 1, note: str = "") -> None:
        """`amount` more is done; `note` says what."""
        self._done += amount
        tenths = self._done * 10 // self._total if self._total else 0
        if note or tenths > self._tenths:
            self._tenths = tenths
            of = f"/{self._total}" if self._total else ""
            click.echo(f"{self._title}: {self._done}{of} {note}".rstrip(), err=True)

    def expect(self, total: int) -> None:
        """The whole is now known, or larger than it was."""
        self._total = total

    def say(self, text: str) -> None:
        """A line of the result."""
        click.echo(visible(text))


class Measure:
    """How much of a volume has been worked through: bytes, their rate and the time left.

    On a terminal's standard error only; it disappears when the work has ended.
    """

    def __init__(self, title: str, left: str, *, no_color: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self._left = left
        self._title = title
        self._begun = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=Console(stderr=True, no_color=no_color or None),
            transient=True,
        )
        self._task = self._progress.add_task(title, total=None, text="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def pause(self) -> None:
        """Make room for a question; nothing more is shown."""
        self._progress.stop()

    def call(self, title: str) -> None:
        """What is done now, already translated; the time counts anew with each other work."""
        if title != self._title:
            self._title, self._begun = title, time.monotonic()
            self._progress.update(self._task, description=title, total=None, completed=0, text="")

    def reach(self, done: int, total: int) -> None:
        """So many bytes of `total` are done."""
        if not total:
            return
        text = measure_text(done, total, time.monotonic() - self._begun, self._left)
        self._progress.update(self._task, completed=done, total=total, text=text)


class NoMeasure:
    """What a measure is where there is no terminal."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def pause(self) -> None:
        """Show nothing."""

    def call(self, title: str) -> None:
        """Show nothing."""
        del title

    def reach(self, done: int, total: int) -> None:
        """Show nothing."""
        del done, total


def measure_text(done: int, total: int, seconds: float, left: str) -> str:
    """How far it is, in words.

    >>> measure_text(512 * 1024**2, 2 * 1024**3, 8.0, "{time} left")
    '512 MB / 2 GB, 64 MB/s, 24 s left'
    """
    from agentpg.cli import figures

    rate = done / seconds if seconds > 0 else 0.0
    parts = [f"{figures.size(done)} / {figures.size(total)}", f"{figures.size(int(rate))}/s"]
    seconds_left = round((total - done) / rate) if rate else 0
    if seconds_left:
        parts.append(left.format(time=figures.duration(seconds_left)))
    return ", ".join(parts)


class Gauge:
    """How far work says it is: a bar on a terminal, below the lines about it."""

    def __init__(self, *, no_color: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.table import Column

        # The text has the room that the others leave; a long one would take theirs.
        rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[text]}", markup=False, table_column=rest),
            console=Console(no_color=no_color or None),
            transient=True,
            expand=True,
        )
        self._task = self._progress.add_task("", total=1.0, visible=False, text="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, *, attempt: int, fraction: float | None, text: str | None) -> bool:
        """Show it, and return that it is shown."""
        self._progress.update(
            self._task,
            visible=True,
            description=f"#{attempt}",
            completed=fraction or 0.0,
            text=visible(" ".join((text or "").split())),
        )
        return True

    def say(self, text: str) -> None:
        """A line above it."""
        self._progress.console.print(visible(text), markup=False, highlight=False, soft_wrap=True)


class NoGauge:
    """Where there is no terminal: lines only."""

    def show(self, *, attempt: int, fraction: float | None, text: str | None) -> bool:
        """Return that it is not shown."""
        del attempt, fraction, text
        return False

    def say(self, text: str) -> None:
        """A line."""
        click.echo(visible(text))
