"""`agentpg monitor top`: a real terminal, keys, sizes, a server that goes away."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, ServerError, connect
from tests.cli.conftest import Call, take_interrupts
from tests.desk.monitor.quarrel import quarrel
from tests.servers import OwnServers
from tests.waiting import eventually

pytestmark = pytest.mark.one_server

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")
_HOME = "\x1b[H"
_ALTERNATE, _USUAL = "\x1b[?1049h", "\x1b[?1049l"


def _own_terminal() -> None:
    """Let Ctrl-C reach it, as in a terminal of its own."""
    take_interrupts()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A terminal in which `agentpg …` runs."""

    def __init__(self, *arguments: str, variables: Mapping[str, str]) -> None:
        self._ours, self._theirs = pty.openpty()
        self.resize(80, 30)
        self.before = termios.tcgetattr(self._theirs)
        environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agentpg", *arguments],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            env={**environment, "TERM": "xterm-256color", **variables},
            start_new_session=True,
            preexec_fn=_own_terminal,  # noqa: PLW1509 - it takes no lock
        )
        self.raw = ""

    def resize(self, columns: int, rows: int) -> None:
        """Give it another size."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._ours, text.encode())

    def frame(self) -> list[str]:
        """The lines of the newest whole frame."""
        self._read()
        frames = self.raw.split(_HOME)
        return _CONTROL.sub("", frames[-1]).split("\n") if len(frames) > 1 else []

    def shows(self, *texts: str) -> list[str]:
        """Wait until a frame has all of these, and return it."""

        def found() -> list[str]:
            frame = self.frame()
            return frame if all(text in "\n".join(frame) for text in texts) else []

        with suppress(AssertionError):
            return eventually(found, timeout=20)
        raise AssertionError(f"{texts} not in:\n" + "\n".join(self.frame()))

    def ends(self) -> int:
        """Wait for its exit code, reading what it still writes."""
        eventually(self._has_ended, timeout=20)
        self._read()
        return self.process.wait()

    @property
    def is_as_before(self) -> bool:
        """Whether lines, echo and screen are those from before."""
        last = max(self.raw.rfind(_ALTERNATE), self.raw.rfind(_USUAL))
        return (
            termios.tcgetattr(self._theirs) == self.before
            and self.raw[last:].startswith(_USUAL)
            and self.raw.rfind("\x1b[?25h") > self.raw.rfind("\x1b[?25l")
        )

    def close(self) -> None:
        """End it with its process."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def _has_ended(self) -> bool:
        self._read()
        return self.process.poll() is not None

    def _read(self) -> None:
        while select.select([self._ours], [], [], 0)[0]:
            self.raw += os.read(self._ours, 65536).decode(errors="ignore")


@contextmanager
def terminal(*arguments: str, **variables: str) -> Iterator[Terminal]:
    """Within it, `agentpg monitor top` runs in a terminal."""
    opened = Terminal("monitor", "top", *arguments, variables=variables)
    try:
        yield opened
    finally:
        opened.close()


def test_keys_choose_filter_sort_pause_and_quit(installed: Database) -> None:
    with quarrel(installed) as known, terminal("--interval", "500ms") as screen:
        frame = screen.shows("blocks", "blocked", "Billing")
        assert all(cell_width(line) <= 80 for line in frame)
        assert len(frame) == 30
        assert str(known.holder) in next(line for line in frame if " blocks " in line)
        # The statement of the session that is chosen.
        screen.type("j")
        screen.shows("› UPDATE users SET username")
        screen.type("s")
        screen.shows("transaction")
        screen.type("/weekly")
        screen.shows("filter: weekly")
        screen.type("\r")
        frame = screen.shows("/weekly")
        assert any(line.strip().startswith(str(known.waiter)) for line in frame)
        assert not any(line.strip().startswith(str(known.holder)) for line in frame)
        screen.type("p")
        screen.shows("paused")
        screen.type("q")
        assert screen.ends() == 0
        assert screen.is_as_before


def test_it_explains_and_cancels_what_is_chosen(installed: Database) -> None:
    failed: list[str] = []
    with connect(installed, "sleepy") as connection:

        def sleep() -> None:
            try:
                connection.execute("SELECT pg_sleep(60) FROM pg_class")
            except ServerError as error:
                failed.append(str(error))

        thread = threading.Thread(target=sleep)
        thread.start()
        with terminal("--interval", "500ms") as screen:
            screen.type("/sleepy\r")
            screen.shows("sleepy", "PgSleep")
            screen.type("e")
            screen.shows("cost=")
            screen.type("x")
            screen.shows("sleepy")
            screen.type("c")
            screen.shows(f"Cancel the statement of process {connection.info.backend_pid}? y/n")
            screen.type("n")
            screen.shows("sleepy")
            screen.type("c")
            screen.shows("y/n")
            screen.type("y")
            screen.shows("was asked to end its statement")
        thread.join()
    assert len(failed) == 1
    assert "canceling statement" in failed[0]


def test_it_takes_another_size_and_speaks_korean(installed: Database) -> None:
    with terminal("--lang", "ko", "--interval", "500ms") as screen:
        frame = screen.shows("서버", "끝내기")
        assert all(cell_width(line) <= 80 for line in frame)
        screen.resize(120, 20)
        frame = eventually(lambda: f if len(f := screen.frame()) == 20 else [])
        assert 100 < max(map(cell_width, frame)) <= 120
        screen.process.send_signal(signal.SIGTERM)
        assert screen.ends() == 0
        assert screen.is_as_before


def test_it_says_that_the_server_is_away_and_comes_back(
    own_server: OwnServers, home: object
) -> None:
    server = own_server()
    server.start()
    with terminal("--interval", "500ms", AGENTPG_DSN=server.dsn()) as screen:
        screen.shows("PostgreSQL")
        server.stop("immediate")
        screen.shows("cannot reach the database")
        server.start()
        eventually(
            lambda: (f := screen.frame()) and not any("cannot reach" in line for line in f),
            message="it comes back",
        )
        screen.type("\x03")
        assert screen.ends() == 0
        assert screen.is_as_before


def test_one_frame_goes_into_a_pipe(call: Call, installed: Database) -> None:
    for lang in ("en", "ko"):
        called = call("--lang", lang, "monitor", "top", "--once")
        assert called.code == 0
        assert "PostgreSQL" in called.out
        assert "\x1b" not in called.out
        assert max(map(cell_width, called.out.splitlines())) <= 80
        assert [line for line in called.out.splitlines() if line != line.rstrip()] == []
        # What has no room is not left out without a word.
        assert "COLUMNS" in called.err


def test_one_frame_as_json(call: Call, installed: Database) -> None:
    with quarrel(installed) as known:
        found = json.loads(call("monitor", "top", "--json").out)
    assert {"Billing", "Report"} <= {one["name"] for one in found["agents"]}
    assert found["total"]["running"] == 2
    assert known.holder in {one["pid"] for one in found["activity"]["sessions"]}


@pytest.mark.without_server
def test_without_a_terminal_it_names_once(call: Call) -> None:
    called = call("--dsn", "host=127.0.0.1", "monitor", "top")
    assert called.code == 2
    assert "--once" in called.err
