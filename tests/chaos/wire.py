"""The network between some workers and the server, which can be broken.

Where root can make a network namespace, those workers live in one of their own, so that
packets can be made to vanish; elsewhere they connect over the loopback.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]


class Namespace:
    """A network namespace with one link to this machine."""

    def __init__(self, wanted: bool) -> None:
        number = os.getpid()
        self.name = f"chaos{number}"
        self._link, self._far_link = f"ch{number}a", f"ch{number}b"
        # A network of four addresses, by the process number, so that two runs do not meet.
        network = f"10.231.{number // 64 % 256}"
        first = number % 64 * 4
        self.here, self._there = f"{network}.{first + 1}", f"{network}.{first + 2}"
        possible = shutil.which("ip") is not None and os.geteuid() == 0
        self.made = wanted and possible and self._make()

    def command(self) -> list[str]:
        """What comes before a command that is to run inside."""
        return ["ip", "netns", "exec", self.name] if self.made else []

    def pull_out(self) -> None:
        """Packets vanish from now on, in both directions, and nobody is told."""
        assert self._ip("link", "set", self._link, "down")

    def plug_in(self) -> None:
        """Packets arrive again."""
        assert self._ip("link", "set", self._link, "up")

    def remove(self) -> None:
        """Remove it with its link."""
        if self.made:
            self._ip("netns", "del", self.name)
            self._ip("link", "del", self._link)

    def _make(self) -> bool:
        inside = ("-n", self.name)
        steps = [
            ("netns", "add", self.name),
            ("link", "add", self._link, "type", "veth", "peer", "name", self._far_link),
            ("link", "set", self._far_link, "netns", self.name),
            ("addr", "add", f"{self.here}/30", "dev", self._link),
            ("link", "set", self._link, "up"),
            (*inside, "addr", "add", f"{self._there}/30", "dev", self._far_link),
            (*inside, "link", "set", self._far_link, "up"),
            (*inside, "link", "set", "lo", "up"),
        ]
        if all(self._ip(*step) for step in steps):
            return True
        self._ip("netns", "del", self.name)
        self._ip("link", "del", self._link)
        return False

    @staticmethod
    def _ip(*arguments: str) -> bool:
        done = subprocess.run(["ip", *arguments], capture_output=True, check=False)
        return done.returncode == 0


class Wire:
    """A process between a worker and the server, and the link to it."""

    def __init__(self, to_port: int, *, own_link: bool) -> None:
        self.namespace = Namespace(own_link)
        self.host = self.namespace.here if self.namespace.made else "127.0.0.1"
        self.port = _free_port(self.host)
        arguments = [self.host, str(self.port), str(to_port)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.wire_process", *arguments],
            cwd=_REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def turn(self, state: str) -> None:
        """Change its state; see wire_process.py."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{state}\n")
        self._process.stdin.flush()

    def remove(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
        self.namespace.remove()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
