"""Running PostgreSQL's programs so that they end when we do.

A program is started through a shell of two lines, which holds our end of a pipe: when this
process is gone, however it went, the pipe closes and the shell ends the program, and then what
that has started. It leads a process group of its own, so that Ctrl-C comes to us first.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from agentpg.embedded.account import Account
from agentpg.errors import ToolFailed
from agentpg.settings import PREFIX, hide_password

# The pipe comes as standard input. A job in the background reads nothing unless told to. What a
# program started may outlive it, as the process does by which pg_basebackup receives WAL: it
# would keep the server from ever removing any. The shell itself says nothing: with nobody there
# to read it, saying that the program was ended would end the shell too.
_LEASH = """
exec 3<&0
"$@" </dev/null 3<&- & tool=$!
exec 2>/dev/null
{ read -r _; kill -TERM "$tool"; } <&3 >/dev/null &
wait "$tool"; code=$?
trap '' TERM; kill -TERM 0
exit "$code"
"""

_LAST_LINES = 8
_LONGEST_LINE = 400
_LOOK_SECONDS = 0.25
_PATIENCE_SECONDS = 10.0

# A shell reports a program that a signal ended as 128 and the signal.
_SIGNALLED = 128


class Leash:
    """One program at work; a context that ends it, where it has not ended, with all it started.

    It runs as `account`, or as this process's own.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        behind: Sequence[str | Path] = (),
        account: Account | None = None,
    ) -> None:
        switched = account if account is not None and account.switched else None
        self.program = Path(command[0]).name
        self._secret = environment.get("PGPASSWORD", "")
        # What the programs do not need they can't tell, nor what they are made to run.
        needed = {n: v for n, v in environment.items() if not n.startswith(PREFIX)}
        self._said: deque[str] = deque(maxlen=_LAST_LINES)
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _LEASH, "sh", *map(str, (*behind, *command))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            # What the programs say is read by us, and shown in English.
            env={**needed, "LC_ALL": "C"},
            start_new_session=True,
            cwd="/" if switched else None,
            user=switched.uid if switched else None,
            group=switched.gid if switched else None,
            extra_groups=[] if switched else None,
        )
        self._rope = cast(IO[bytes], self._process.stdin)
        self._voice = cast(IO[bytes], self._process.stderr)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def said(self) -> str:
        """Its last lines, without secrets."""
        return "\n".join(self._said)

    def wait(self, look: Callable[[], None] | None = None) -> None:
        """Wait for its end, and call `look` some times a second. Raises ToolFailed."""
        while (code := self._code()) is None:
            if look is not None:
                look()
        self._listener.join(_PATIENCE_SECONDS)
        if code:
            raise ToolFailed(self.reason(code), program=self.program, code=code, said=self.said)

    def reason(self, code: int) -> str:
        """Why it failed: its last lines, and the signal that ended it."""
        lines = [self.said] if self._said else []
        number = -code if code < 0 else code - _SIGNALLED
        if number in signal.valid_signals():
            lines.append(f"ended by {signal.Signals(number).name}")
        return "; ".join(lines) or f"exit code {code}"

    def _code(self) -> int | None:
        """The exit code; None if it still runs after a moment."""
        try:
            return self._process.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def _listen(self) -> None:
        for line in self._voice:
            text = hide_password(line.decode(errors="replace").rstrip())
            if self._secret:
                text = text.replace(self._secret, "***")
            if text:
                self._said.append(text[:_LONGEST_LINE])

    def _end(self) -> None:
        """End the program if it has not, and then what is left of its group."""
        with suppress(OSError):
            self._rope.close()
        try:
            self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        # Workers of a program that was killed go on until they look for it.
        self._signal(signal.SIGTERM)
        self._listener.join(_PATIENCE_SECONDS)
        self._voice.close()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def run_tool(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    look: Callable[[], None] | None = None,
    behind: Sequence[str | Path] = (),
) -> str:
    """Run a program to its end; what it said last. Raises ToolFailed.

    `behind` is what runs it, such as `nice`.
    """
    with Leash(command, environment, behind) as leash:
        leash.wait(look)
        return leash.said
