"""`agentpg` for a shell, forked from a process that has imported it already.

A page has some ten commands, and half of what each takes is Python's start. The shell finds the
small program `ready_client.py` as `agentpg`. It hands its arguments, folder, environment and
streams to a process that waits with the command line imported; that one forks, and the fork runs
the command as the real program does. Signals and the exit code pass between the two.
"""

from __future__ import annotations

import contextlib
import gc
import marshal
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from pkgutil import walk_packages

_CLIENT = Path(__file__).with_name("ready_client.py")
_REAL = Path(sys.executable).with_name("agentpg")

# What commands import where they use it.
_ROOMS = ("agentpg.cli", "agentpg.db", "agentpg.desk", "agentpg.embedded", "agentpg.tasks")

_MOST_BYTES = 2**20


class Ready:
    """The waiting process, and the folder with the program that asks it."""

    def __init__(self, home: Path) -> None:
        self.programs = home / "bin"
        self.programs.mkdir()
        address = home / "ready"
        self._write_program(address)
        # Its end is that of whoever started it.
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, __file__, address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        with self._process.stdout as said:
            assert said.readline() == b"ready\n"

    def close(self) -> None:
        """End the waiting process."""
        self._process.kill()
        self._process.wait()

    def _write_program(self, address: Path) -> None:
        places = f"ADDRESS, REAL = {str(address)!r}, {str(_REAL)!r}"
        text = _CLIENT.read_text(encoding="utf-8").replace('ADDRESS = REAL = ""', places)
        assert places in text
        program = self.programs / "agentpg"
        program.write_text(f"#!{sys.executable} -IS\n{text}", encoding="utf-8")
        program.chmod(0o755)


def _run_commands(address: str) -> None:
    """Fork for each command that is asked for, until killed; returns in the fork, when it is done.

    The folder of this file is not on the path of the real program.
    """
    sys.path.pop(0)
    for room in _ROOMS:
        _import_all(room)
    main = import_module("agentpg.cli").main
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    asked = _next_client(address)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _be_the_command(asked)
    main()


def _import_all(room: str) -> None:
    for found in walk_packages(import_module(room).__path__, f"{room}."):
        if "__main__" not in found.name and not found.ispkg:
            import_module(found.name)


def _next_client(address: str) -> socket.socket:
    """Return in a fork, with its client."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        print("ready", flush=True)  # noqa: T201 - to who started it
        while True:
            client, _ = listening.accept()
            if os.fork() == 0:
                return client
            client.close()


def _be_the_command(client: socket.socket) -> None:
    """Return in a fork that is to run it; attend to that one in this process until both end."""
    with client:
        asked, streams, _, _ = socket.recv_fds(client, _MOST_BYTES, 3)
        size, asked = int.from_bytes(asked[:4], "big"), asked[4:]
        while len(asked) < size:
            asked += client.recv(_MOST_BYTES)
        command = os.fork()
        if command:
            for stream in streams:
                os.close(stream)
            os._exit(_attend(client, command))
    os.setsid()
    _take(streams)
    arguments, folder, mask, environment = marshal.loads(asked)  # noqa: S302 - from our own client
    _begin_anew(arguments, folder, mask, environment)


def _attend(client: socket.socket, command: int) -> int:
    """Pass on the client's signals until the command has ended, then tell how."""
    ended = os.pidfd_open(command)
    while ended not in select.select([ended, client.fileno()], [], [])[0]:
        numbers = client.recv(16)
        if not numbers:
            os.killpg(command, signal.SIGKILL)
            break
        for number in numbers:
            os.kill(command, number)
    _, status = os.waitpid(command, 0)
    code = os.waitstatus_to_exitcode(status)
    with contextlib.suppress(OSError):
        client.sendall(code.to_bytes(4, "big", signed=True))
    return 0


def _take(streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = _text(0, "rb", "surrogateescape")
    sys.stdout = _text(1, "wb", "surrogateescape", in_lines=os.isatty(1))
    sys.stderr = _text(2, "wb", "backslashreplace", in_lines=True)


def _text(stream: int, mode: str, errors: str, *, in_lines: bool = False) -> TextIOWrapper:
    """A stream as Python opens it where the locale is one of UTF-8."""
    return TextIOWrapper(os.fdopen(stream, mode), "utf-8", errors, line_buffering=in_lines)


def _begin_anew(
    arguments: list[bytes], folder: bytes, mask: int, environment: dict[bytes, bytes]
) -> None:
    """Be as the client's shell would have started the real program."""
    os.chdir(folder)
    os.umask(mask)
    os.environ.clear()
    os.environb.update(environment)
    time.tzset()
    sys.argv = [str(_REAL), *map(os.fsdecode, arguments)]
    found = os.environ.get("PYTHONPATH", "")
    sys.path[:0] = filter(None, found.split(os.pathsep))


@contextlib.contextmanager
def ready(home: Path) -> Iterator[Ready]:
    """The waiting process for as long as it is wanted."""
    made = Ready(home)
    yield made
    made.close()


if __name__ == "__main__":
    _run_commands(sys.argv[1])
