"""The wire's program: forwards TCP connections, as well as its standard input says.

    python -m tests.chaos.wire_process HOST PORT TO_PORT

Each line is a state of the wire: `whole`, `cut`, `slow SECONDS`, `silent`.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress


class Wire:
    """All connections that go over it, and what becomes of them."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._state = "whole"
        self._delay = 0.0
        self._writers: set[asyncio.StreamWriter] = set()

    def turn(self, state: str, delay: float = 0.0) -> None:
        """Change the state; a cut, and the end of a silence, break what is connected."""
        if state == "cut" or self._state == "silent":
            for writer in self._writers:
                writer.transport.abort()
        self._state, self._delay = state, delay

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to the server and back."""
        if self._state == "cut":
            writer.transport.abort()
            return
        with suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._to_port)
            both = {writer, back}
            self._writers |= both
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
            self._writers -= both

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self._state == "silent":
                    continue
                if self._delay:
                    await asyncio.sleep(self._delay)
                writer.write(data)
                await writer.drain()
        writer.transport.abort() if self._state == "cut" else writer.close()


async def main(host: str, port: int, to_port: int) -> None:
    wire = Wire(to_port)
    await asyncio.start_server(wire.connected, host, port)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := await asyncio.to_thread(sys.stdin.readline):
        state, *delay = line.split()
        wire.turn(state, *map(float, delay))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
