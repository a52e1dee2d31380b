"""How a live screen is drawn: lines of exactly the terminal's width, a Korean letter being two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentpg.cli import figures
from agentpg.cli.monitor_activity import state_of, waits_for, whose
from agentpg.cli.output import STATE_STYLES, in_a_line, visible
from agentpg.cli.top_state import SORT_NAMES, State
from agentpg.cli.wrapping import cell_width, cut, wrap
from agentpg.language import N_, Translate

if TYPE_CHECKING:
    from rich.text import Text

    from agentpg.desk.monitor.pulse import AgentPulse, Frame, Workers
    from agentpg.desk.monitor.sessions import Session

_GAP = "  "

# From here on a statement has room beside the session; before, it stands below the table.
_WIDE = 100

_FEWEST_SESSIONS = 3

# Titles, and the statement that is chosen.
_AROUND_SESSIONS = 4

_KEYS = (
    ("q", N_("quit")),
    ("s", N_("sort")),
    ("/", N_("filter")),
    ("p", N_("pause")),
    ("e", N_("explain")),
    ("c", N_("cancel")),
    ("↑↓", N_("choose")),
)


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    width: int
    right: bool = False


class Screen:
    """Draws a state in one language."""

    def __init__(self, translate: Translate, width: int, height: int) -> None:
        self._ = translate
        self._width = max(width, 40)
        self._height = max(height, 12)

    def lines(self, state: State, *, footer: bool = True) -> list[Text]:
        """The whole screen; without a footer it is as long as it has to be."""
        if state.plan:
            return self._over(state.plan)
        if state.frame is None:
            lines = [self._away(state)]
        else:
            lines = list(self._frame(state, state.frame, limited=footer))
        if not footer:
            return lines
        lines = lines[: self._height - 1]
        lines += [self._text("")] * (self._height - 1 - len(lines))
        return [*lines, self._footer(state)]

    def left_out(self) -> tuple[str, ...]:
        """The titles of the columns that this width has no room for."""
        return () if self._width >= _WIDE else (N_("Cost/min"), N_("Statement"))

    def _frame(self, state: State, frame: Frame, *, limited: bool) -> Iterator[Text]:
        head = list(self._head(state, frame))
        yield from head
        room = self._height - 1 - len(head) if limited else 10_000
        # A third of the room, or what the sessions leave of it.
        left = room - len(state.sessions()) - _AROUND_SESSIONS
        agents = list(self._agents(frame, most=max(room // 3, left, 4) - 2))
        yield from agents
        yield from self._sessions(state, frame, room=room - len(agents))

    def _away(self, state: State) -> Text:
        said = state.away or self._(N_("Looking …"))
        return self._text(said, "red" if state.away else "dim")

    # The lines at the top.

    def _head(self, state: State, frame: Frame) -> Iterator[Text]:
        beat = frame.beat
        uptime = figures.duration(round((beat.now - beat.started_at).total_seconds()))
        name = self._(N_("PostgreSQL {version}, up for {time}"))
        left = f"{frame.target}{_GAP}{name.format(version=beat.version, time=uptime)}"
        if beat.in_recovery:
            left += f"{_GAP}{self._(N_('standby'))}"
        yield self._both(left, f"{beat.now.astimezone():%H:%M:%S}", "bold")
        yield self._pairs(N_("sessions"), self._session_pairs(frame))
        yield self._pairs(N_("server"), self._server_pairs(frame))
        if frame.agents is None or frame.workers is None:
            problem = frame.problem.message(self._) if frame.problem else ""
            yield self._text(problem, "yellow")
        else:
            yield self._pairs(N_("workers"), self._worker_pairs(frame.workers))
            yield self._pairs(N_("tasks"), self._task_pairs(frame.total))
            yield self._pairs(N_("pace"), self._pace_pairs(frame.total))
        if state.away:
            yield self._text(state.away, "bold red")
        yield self._text("")

    def _session_pairs(self, frame: Frame) -> list[tuple[str, str, str]]:
        activity = frame.activity
        counted = activity.connections
        active = sum(one.state == "active" for one in activity.sessions)
        idle, blocked = len(activity.idle_in_transaction), len(activity.blocked)
        crowded = counted.sessions > 0.75 * counted.usable
        pairs = [
            ("", f"{counted.sessions}/{counted.usable}", _if(crowded, "yellow")),
            (N_("active"), str(active), ""),
            (N_("idle in tx"), str(idle), _if(idle, "yellow")),
            (N_("blocked"), str(blocked), _if(blocked, "red")),
        ]
        hidden = (N_("hidden"), str(counted.hidden), "yellow")
        return [*pairs, hidden] if counted.hidden else pairs

    def _server_pairs(self, frame: Frame) -> list[tuple[str, str, str]]:
        pace = frame.pace
        wal = figures.UNKNOWN if pace.wal_bytes is None else figures.size(round(pace.wal_bytes))
        return [
            (N_("tx/s"), _rate(pace.transactions), ""),
            (N_("from memory"), figures.percent(pace.hit_share), ""),
            (N_("WAL/s"), wal, ""),
        ]

    def _worker_pairs(self, workers: Workers) -> list[tuple[str, str, str]]:
        return [
            (N_("alive"), figures.count(workers.alive), _if(not workers.alive, "red")),
            (N_("busy"), f"{workers.busy}/{workers.slots}", ""),
        ]

    def _task_pairs(self, total: AgentPulse) -> list[tuple[str, str, str]]:
        return [
            (N_("ready"), figures.count(total.ready), ""),
            (N_("running"), figures.count(total.running), ""),
            (N_("held"), figures.count(total.held), ""),
            (N_("waiting"), figures.count(total.waiting), ""),
            (N_("oldest"), _time(total.oldest_seconds), ""),
        ]

    def _pace_pairs(self, total: AgentPulse) -> list[tuple[str, str, str]]:
        return [
            (N_("ended/s"), _rate(total.ended / 60), ""),
            (N_("failed/min"), _rate(total.failed), _if(total.failed, "red")),
            (N_("tokens/min"), _rate(total.tokens), ""),
            (N_("cost/min"), figures.money(round(total.cost_usd, 4)), ""),
        ]

    # The tables.

    def _agents(self, frame: Frame, most: int) -> Iterator[Text]:
        if not frame.agents:
            return
        columns = [
            _Column(self._(N_("Ready")), 8, right=True),
            _Column(self._(N_("Running")), 7, right=True),
            _Column(self._(N_("Oldest")), 10, right=True),
            _Column(self._(N_("Ended/min")), 9, right=True),
            _Column(self._(N_("Failed/min")), 10, right=True),
            _Column(self._(N_("Tokens/min")), 10, right=True),
        ]
        if self._width >= _WIDE:
            columns.append(_Column(self._(N_("Cost/min")), 9, right=True))
        columns.insert(0, self._rest(self._(N_("Agent")), columns))
        yield self._titles(columns)
        for one in frame.agents[:most]:
            cells = [
                (one.name, ""),
                (figures.count(one.ready), ""),
                (figures.count(one.running), _if(one.running, "cyan")),
                (_time(one.oldest_seconds), ""),
                (_rate(one.ended), ""),
                (_rate(one.failed), _if(one.failed, "red")),
                (_rate(one.tokens), ""),
                (figures.money(round(one.cost_usd, 4)), ""),
            ]
            yield self._row(columns, cells)
        left = len(frame.agents) - most
        if left > 0:
            yield self._text(self._(N_("and {number} more")).format(number=left), "dim")
        yield self._text("")

    def _sessions(self, state: State, frame: Frame, room: int) -> Iterator[Text]:
        sessions, roots = state.sessions(), frame.activity.roots
        chosen = state.chosen_session()
        wide = self._width >= _WIDE
        columns = [
            _Column(self._(N_("Process")), 8, right=True),
            _Column(self._(N_("State")), 10),
            _Column(self._(N_("For")), 10, right=True),
            _Column(self._(N_("Waits for")), 24 if wide else 18),
            _Column(self._(N_("Blocked by")), 10, right=True),
        ]
        if wide:
            columns.append(_Column(self._(N_("Whose")), 20))
        last = N_("Statement") if wide else N_("Whose")
        columns.append(self._rest(self._(last), columns))
        yield self._titles(columns)
        for one in self._shown(sessions, chosen, max(room - _AROUND_SESSIONS, _FEWEST_SESSIONS)):
            yield self._session(columns, one, roots, chosen=one is chosen and room < 10_000)
        if not sessions:
            yield self._text(self._(N_("No session.")), "dim")
        if chosen is not None and room < 10_000:
            yield from self._statement(chosen)

    def _shown(
        self, sessions: Sequence[Session], chosen: Session | None, room: int
    ) -> Sequence[Session]:
        """So many of them that the chosen one is among them."""
        at = next((n for n, one in enumerate(sessions) if one is chosen), 0)
        begin = max(0, at - room + 1)
        return sessions[begin : begin + room]

    def _session(
        self, columns: list[_Column], one: Session, roots: Sequence[int], *, chosen: bool
    ) -> Text:
        state = state_of(one, roots)
        cells = [
            (str(one.pid), ""),
            (state, STATE_STYLES.get(state, "")),
            (_time(one.transaction_seconds or one.query_seconds or one.state_seconds), ""),
            (waits_for(one), ""),
            (", ".join(map(str, one.blocked_by)), "red"),
            (whose(one), ""),
            (one.query or "", "dim"),
        ]
        line = self._row(columns, cells)
        if chosen:
            line.stylize("reverse")
        return line

    def _statement(self, chosen: Session) -> Iterator[Text]:
        said = visible(in_a_line(chosen.query or ""))
        lines = wrap(said, self._width, first="› ", rest="  ")
        yield self._text("")
        for number, line in enumerate(lines[:2]):
            more = number == 1 and len(lines) > 2
            yield self._text(f"{cut(line, self._width - 1)}…" if more else line)

    def _over(self, plan: list[str]) -> list[Text]:
        shown = [self._text(f"  {line}") for line in plan[: self._height - 2]]
        shown += [self._text("")] * (self._height - 1 - len(shown))
        return [*shown, self._text(self._(N_("Any key goes back.")), "reverse")]

    def _footer(self, state: State) -> Text:
        if state.asking is not None:
            text = self._(N_("Cancel the statement of process {pid}? y/n"))
            return self._text(text.format(pid=state.asking.pid), "bold yellow")
        if state.typing:
            return self._text(f"{self._(N_('filter'))}: {state.wanted}▏", "bold")
        if state.said:
            return self._text(state.said, "bold yellow")
        keys = _GAP.join(f"{key} {self._(meaning)}" for key, meaning in _KEYS)
        marks = [self._(SORT_NAMES[state.sort])]
        marks += [f"/{state.wanted}"] if state.wanted else []
        marks += [self._(N_("paused"))] if state.paused else []
        return self._both(keys, _GAP.join(marks), "reverse")

    # Lines of the width.

    def _rest(self, title: str, others: Sequence[_Column]) -> _Column:
        taken = sum(max(one.width, cell_width(one.title)) + len(_GAP) for one in others)
        return _Column(title, max(self._width - taken, 8))

    def _titles(self, columns: Sequence[_Column]) -> Text:
        line = self._row(columns, [(column.title, "") for column in columns])
        line.stylize("bold")
        return line

    def _row(self, columns: Sequence[_Column], cells: Sequence[tuple[str, str]]) -> Text:
        from rich.text import Text

        line = Text(no_wrap=True, end="")
        for column, (text, style) in zip(columns, cells, strict=False):
            if line.cell_len:
                line.append(_GAP)
            width = max(column.width, cell_width(column.title))
            line.append(_fitted(text, width, right=column.right), style)
        return self._cropped(line)

    def _pairs(self, name: str, pairs: Sequence[tuple[str, str, str]]) -> Text:
        from rich.text import Text

        title = self._(name)
        line = Text(_fitted(title, 10), style="", no_wrap=True, end="")
        line.stylize("bold")
        for meaning, value, style in pairs:
            if meaning:
                line.append(f"{self._(meaning)} ", "dim")
            line.append(f"{value}{_GAP}", style or "bold")
        return self._cropped(line)

    def _both(self, left: str, right: str, style: str) -> Text:
        left = visible(in_a_line(left))
        room = self._width - cell_width(right) - len(_GAP)
        return self._text(f"{_fitted(left, room)}{_GAP}{right}", style)

    def _text(self, text: str, style: str = "") -> Text:
        from rich.text import Text

        return self._cropped(Text(visible(in_a_line(text)), style=style, no_wrap=True, end=""))

    def _cropped(self, line: Text) -> Text:
        line.truncate(self._width, overflow="ellipsis")
        return line


def _fitted(text: str, width: int, *, right: bool = False) -> str:
    """The text in exactly so many columns, shortened with an ellipsis where it is longer."""
    text = visible(in_a_line(text))
    if cell_width(text) > width:
        text = f"{cut(text, width - 1)}…" if width > 1 else cut(text, width)
    padding = " " * (width - cell_width(text))
    return f"{padding}{text}" if right else f"{text}{padding}"


def _if(condition: object, style: str) -> str:
    return style if condition else ""


def _time(seconds: float | None) -> str:
    """Whole seconds: fractions only flicker."""
    if seconds is None:
        return figures.UNKNOWN
    return figures.duration(float(round(seconds))) if seconds >= 0.5 else "0 s"


def _rate(value: float | None) -> str:
    """A pace with one digit below ten: 3.4, 1,234."""
    if value is None:
        return figures.UNKNOWN
    return f"{value:,.0f}" if value >= 9.95 or value == 0 else f"{value:.1f}"
