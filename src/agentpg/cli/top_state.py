"""What a live screen is at: what is shown, chosen, typed and asked; keys change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from agentpg.cli.monitor_activity import whose
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.monitor.pulse import Frame
    from agentpg.desk.monitor.sessions import Session

Sort = Literal["urgency", "transaction", "state", "process"]
SORTS: tuple[Sort, ...] = ("urgency", "transaction", "state", "process")

SORT_NAMES = {
    "urgency": N_("urgency"),
    "transaction": N_("transaction"),
    "state": N_("state"),
    "process": N_("process"),
}

_PAGE = 10


@dataclass(frozen=True, slots=True)
class Doing:
    """What can be done about the chosen session; each gives what is to be shown."""

    explain: Callable[[Session], list[str]]
    cancel: Callable[[Session], str]


@dataclass(slots=True)
class State:
    """One screen. `away` is what is wrong with the server; `plan` lies over everything."""

    doing: Doing
    frame: Frame | None = None
    away: str = ""
    paused: bool = False
    sort: Sort = "urgency"
    wanted: str = ""
    typing: bool = False
    chosen: int | None = None
    asking: Session | None = None
    said: str = ""
    plan: list[str] = field(default_factory=list)
    ended: bool = False

    def sessions(self) -> list[Session]:
        """Those that are wanted, in the order that is wanted."""
        if self.frame is None:
            return []
        found = self.frame.activity.urgent_first()
        if self.wanted:
            found = [one for one in found if self.wanted.casefold() in _text(one)]
        match self.sort:
            case "transaction":
                found.sort(key=lambda one: -(one.transaction_seconds or 0))
            case "state":
                found.sort(key=lambda one: (one.state or "~", -(one.state_seconds or 0)))
            case "process":
                found.sort(key=lambda one: one.pid)
        return found

    def chosen_session(self) -> Session | None:
        """The one that keys act on: the first until another one is chosen."""
        sessions = self.sessions()
        return next(
            (one for one in sessions if one.pid == self.chosen), sessions[0] if sessions else None
        )

    def press(self, key: str) -> None:
        """Do what a key means now."""
        self.said = ""
        if self.plan:
            self.plan = []
        elif self.asking is not None:
            self._answer(key)
        elif self.typing:
            self._type(key)
        elif key in self._keys():
            self._keys()[key]()

    def _keys(self) -> dict[str, Callable[[], None]]:
        return {
            "q": self._end,
            "s": self._sort,
            "/": self._begin_typing,
            "escape": self._want_all,
            "p": self._pause,
            "e": self._explain,
            "c": self._ask,
            "up": lambda: self._move(-1),
            "k": lambda: self._move(-1),
            "down": lambda: self._move(1),
            "j": lambda: self._move(1),
            "page up": lambda: self._move(-_PAGE),
            "page down": lambda: self._move(_PAGE),
        }

    def _end(self) -> None:
        self.ended = True

    def _sort(self) -> None:
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]

    def _begin_typing(self) -> None:
        self.typing, self.wanted = True, ""

    def _want_all(self) -> None:
        self.wanted = ""

    def _pause(self) -> None:
        self.paused = not self.paused

    def _explain(self) -> None:
        one = self.chosen_session()
        if one is not None:
            self.plan = self.doing.explain(one)

    def _ask(self) -> None:
        self.asking = self.chosen_session()

    def _answer(self, key: str) -> None:
        asked, self.asking = self.asking, None
        if asked is not None and key in ("y", "Y", "ㅛ"):
            self.said = self.doing.cancel(asked)

    def _type(self, key: str) -> None:
        if key in ("enter", "escape"):
            self.typing = False
            self.wanted = self.wanted if key == "enter" else ""
        elif key == "backspace":
            self.wanted = self.wanted[:-1]
        elif len(key) == 1 and key.isprintable():
            self.wanted += key

    def _move(self, by: int) -> None:
        pids = [one.pid for one in self.sessions()]
        if pids:
            now = pids.index(self.chosen) if self.chosen in pids else 0
            self.chosen = pids[max(0, min(now + by, len(pids) - 1))]


def _text(one: Session) -> str:
    parts = (
        str(one.pid),
        one.role,
        one.database,
        one.application,
        one.state,
        whose(one),
        one.query,
    )
    return " ".join(part for part in parts if part).casefold()
