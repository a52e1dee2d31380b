"""One place for what commands write: tables and progress for people, JSON for programs.

On a terminal a table fits its width: columns that `yield` give up width first, the highest
number before the lower ones, by being shortened with "…" or, where they `fold`, by going on
in the next line. Into a pipe nothing is shortened unless COLUMNS is set. Colours show states
only. None is shown as a dash.

JSON is one document: moments in ISO 8601, durations in seconds, UUIDs, paths and decimals
(costs; exact) as strings, None as null, "…" for what is more than 200 levels deep. Names in
it are never translated.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

import click

from agentpg.cli import figures
from agentpg.cli.wrapping import cell_width, cut, wrap
from agentpg.language import N_, Translate

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from agentpg.cli.progress import Gauge, Measure, NoGauge, NoMeasure

F = TypeVar("F", bound=Callable[..., Any])

_GAP = 2
_NARROWEST = 8
_UNLIMITED = 100_000

# Deeper, Python's own writer of JSON and most readers give up.
_DEEPEST = 200

# What has to be looked at before it is written.
_UNUSUAL = re.compile(r"[^ -~\n]")

STATE_STYLES = {
    "completed": "green",
    "ok": "green",
    "passed": "green",
    "alive": "green",
    "active": "green",
    "running": "cyan",
    "waiting": "yellow",
    "warning": "yellow",
    "held": "yellow",
    "paused": "yellow",
    "failed": "red",
    "lost": "red",
    "dead": "red",
    "broken": "red",
    "timed_out": "red",
    "critical": "bold red",
    "unknown": "magenta",
    "blocks": "bold red",
    "blocked": "yellow",
    "idle in tx": "yellow",
    "failed in tx": "red",
    "cancelled": "dim",
    "released": "dim",
    "idle": "dim",
    "hidden": "dim",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """A column: its title (translated unless it is a `name`), and how its values are shown.

    `show` turns a value into text; by default by its type. `right` aligns numbers.
    `state` colours states, outcomes and levels. `yields` above 0 lets it give up width,
    the highest first; `fold` lets it go on in the next line instead of being shortened.
    """

    title: str
    name: bool = dataclasses.field(default=False, kw_only=True)
    show: Callable[[Any], str] | None = None
    right: bool = False
    state: bool = False
    yields: int = 0
    fold: bool = False


class Progress(Protocol):
    """What `Output.progress` gives: call `advance` as the work goes on."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """`amount` more is done; `note` says what."""

    def expect(self, total: int) -> None:
        """The whole is now known, or larger than it was."""

    def say(self, text: str) -> None:
        """A line of the result, while the work goes on; already translated."""


def json_option(command: F) -> F:
    """The option `--json`, given to the command as `as_json`."""
    option = click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document instead of text."
    )
    return option(command)


def plain(value: object, levels: int = _DEEPEST) -> Any:
    """A value in the terms of JSON, so many levels of it."""
    match value:
        case enum.Enum():
            return plain(value.value, levels)
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal() | UUID() | PurePath():
            return str(value)
    return _plain_parts(value, levels - 1) if levels else "…"


def _plain_parts(value: object, levels: int) -> Any:
    if isinstance(value, Mapping):
        return {str(key): plain(item, levels) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name), levels) for f in dataclasses.fields(value)}
    if isinstance(value, Iterable):
        return [plain(item, levels) for item in value]
    return str(value)


class Output:
    """Writes to standard output, and progress and notes to standard error."""

    def __init__(self, translate: Translate, *, no_color: bool = False) -> None:
        self.translate = translate
        self._no_color = no_color

    def json(self, document: object) -> None:
        """One JSON document; what could steer a terminal is written as \\u…."""
        text = json.dumps(plain(document), ensure_ascii=False, indent=2, allow_nan=False)
        click.echo(_escaped(text))

    def json_line(self, document: object) -> None:
        """One JSON document in a line of its own."""
        click.echo(json.dumps(plain(document), ensure_ascii=False, allow_nan=False))

    def line(self, text: str = "") -> None:
        """A line of text, already translated."""
        click.echo(visible(text))

    def note(self, text: str) -> None:
        """A line on standard error: about the work, not its result."""
        click.echo(visible(text), err=True)

    def heading(self, text: str) -> None:
        """A title over what follows, in bold on a terminal."""
        from rich.text import Text

        self._console.print(Text(self.translate(text), style="bold"))

    def stated(
        self, lead: str, state: str, text: str, *, width: int = 0, lines: int | None = None
    ) -> None:
        """A paragraph that begins with a state in its colour: `lead`, state, translated text.

        What does not fit into so many `lines` is left out.
        """
        width = width or self.width
        said = wrap(f"{state}: {visible(text)}", width, first=f"{lead} ", rest="    ")
        if lines is not None and len(said) > lines:
            said = [*said[: lines - 1], f"{cut(said[lines - 1], width - 1)}…"]
        begin = len(lead) + 1
        self.marked(said[0], begin, begin + len(state), state)
        for line in said[1:]:
            self.line(line)

    def marked(self, line: str, begin: int, end: int, state: str) -> None:
        """A line of text, already translated, with a part of it in the colour of a state."""
        from rich.text import Text

        shown = Text(visible(line))
        shown.stylize(STATE_STYLES.get(state, ""), begin, end)
        self._console.print(shown)

    def styled(self, text: Text) -> None:
        """A line of text that has its styles, already translated and cut."""
        self._console.print(text, end="\n")

    def table(
        self,
        columns: Sequence[Column],
        rows: Iterable[Sequence[object]],
        *,
        empty: str = "",
        below: Sequence[str] = (),
    ) -> None:
        """A table, or the sentence `empty` (translated) where there are no rows.

        Where no column folds, each row may have a text `below` it, cut where the line ends.
        """
        listed = [[self._cell(c, v) for c, v in zip(columns, r, strict=True)] for r in rows]
        if not listed and empty:
            self.line(self.translate(empty))
            return
        titles = [one.title if one.name else self.translate(one.title) for one in columns]
        self._print(_layout(columns, titles, listed, self.width), below=("", *below))

    def facts(self, pairs: Iterable[tuple[str, object]], *, indent: int = 0) -> None:
        """Names (translated) and values, one pair in a line."""
        columns = (Column(""), Column("", yields=1, fold=True))
        listed = [[self.translate(name), visible(self.text(value))] for name, value in pairs]
        self._print(_layout(columns, None, listed, self.width - indent), indent)

    def text(self, value: object) -> str:
        """A value as people read it, by its type."""
        match value:
            case None:
                return figures.UNKNOWN
            case bool():
                return self.translate(N_("yes")) if value else self.translate(N_("no"))
            case int():
                return figures.count(value)
            case datetime():
                return figures.moment(value)
            case timedelta():
                return figures.duration(value)
        return str(value)

    @contextmanager
    def progress(self, title: str, total: int | None = None) -> Iterator[Progress]:
        """Shows long work on standard error: a bar on a terminal, else lines.

        `title` is already translated; `total` None means that the end is not known.
        """
        from agentpg.cli.progress import Bar, Lines

        kind = Bar if sys.stderr.isatty() else Lines
        with kind(title, total, no_color=self._no_color) as shown:
            yield shown

    @contextmanager
    def measure(self, title: str) -> Iterator[Measure | NoMeasure]:
        """Shows bytes, rate and time left on standard error; only on a terminal.

        `title` is already translated.
        """
        from agentpg.cli.progress import Measure, NoMeasure

        if not sys.stderr.isatty():
            yield NoMeasure()
            return
        left = self.translate(N_("{time} left"))
        with Measure(title, left, no_color=self._no_color) as shown:
            yield shown

    @contextmanager
    def gauge(self) -> Iterator[Gauge | NoGauge]:
        """Shows how far others' work says it is, below the lines about it; only on a terminal."""
        from agentpg.cli.progress import Gauge, NoGauge

        if not sys.stdout.isatty():
            yield NoGauge()
            return
        with Gauge(no_color=self._no_color) as shown:
            yield shown

    @cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return Console(
            width=self.width, no_color=self._no_color or None, highlight=False, soft_wrap=True
        )

    @property
    def width(self) -> int:
        """How many columns a line may take."""
        # COLUMNS, or else the terminal's own width, or else there is no terminal.
        fallback = 0 if not sys.stdout.isatty() else 80
        return shutil.get_terminal_size((fallback, 24)).columns or _UNLIMITED

    def _cell(self, column: Column, value: object) -> str:
        shown = column.show(value) if column.show and value is not None else self.text(value)
        return visible(shown if column.fold else in_a_line(shown))

    def _print(self, table: Table, indent: int = 0, below: Sequence[str] = ()) -> None:
        with self._console.capture() as captured:
            self._console.print(table)
        for number, line in enumerate(captured.get().splitlines()):
            click.echo(f"{' ' * indent}{line}".rstrip(), color=True)
            if number < len(below) and below[number]:
                self._print_below(below[number])

    def _print_below(self, text: str) -> None:
        from rich.text import Text

        said = visible(in_a_line(text))
        room = self.width - 4
        shown = said if cell_width(said) <= room else f"{cut(said, room - 1)}…"
        self._console.print(Text(f"    {shown}", style="dim"))


def _layout(
    columns: Sequence[Column], titles: list[str] | None, rows: list[list[str]], width: int
) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=titles is not None)
    widths = _widths(columns, titles, rows, width)
    for index, column in enumerate(columns):
        table.add_column(
            titles[index] if titles else "",
            width=widths[index],
            justify="right" if column.right else "left",
            no_wrap=not column.fold,
            overflow="fold" if column.fold else "ellipsis",
            header_style="bold",
        )
    for row in rows:
        table.add_row(*(_styled(c, text) for c, text in zip(columns, row, strict=True)))
    return table


def _widths(
    columns: Sequence[Column], titles: list[str] | None, rows: list[list[str]], width: int
) -> list[int]:
    """The natural widths, less what the yielding columns give up to fit `width`."""
    heads = [cell_width(title) for title in titles or [""] * len(columns)]
    widths = [
        max([head, *map(_line_width, cells)]) for head, *cells in zip(heads, *rows, strict=True)
    ]
    over = sum(widths) + _GAP * (len(widths) - 1) - width
    order = sorted(range(len(columns)), key=lambda i: -columns[i].yields)
    for index in order:
        spare = widths[index] - max(heads[index], _NARROWEST)
        if over > 0 and columns[index].yields and spare > 0:
            widths[index] -= min(over, spare)
            over -= min(over, spare)
    return widths


def _line_width(text: str) -> int:
    return max((cell_width(line) for line in text.splitlines()), default=0)


def _styled(column: Column, text: str) -> Any:
    from rich.text import Text

    style = STATE_STYLES.get(text, "") if column.state else ""
    return Text(text, style=style)


def in_a_line(value: object) -> str:
    """A name or a text where others follow in the same line: its own line breaks are spaces."""
    return " ".join(str(value).splitlines())


def visible(text: str) -> str:
    """Control characters written out: a stored text cannot steer the terminal."""
    return _UNUSUAL.sub(lambda found: _shown(found[0], repr(found[0])[1:-1]), text)


def _escaped(document: str) -> str:
    """The same JSON document, its control characters written as JSON writes them."""
    return _UNUSUAL.sub(lambda found: _shown(found[0], _json_escape(found[0])), document)


def _shown(character: str, escape: str) -> str:
    return character if character.isprintable() else escape


def _json_escape(character: str) -> str:
    """\\u…, twice for what has two halves in UTF-16; `json` leaves U+007F as it is."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
