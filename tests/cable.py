"""A cable between a client and a server, which a test cuts, slows, pulls or answers in.

It is a TCP relay with real connections on a port of its own.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

_PIECE = 16 * 1024


class Cable:
    """Relays 127.0.0.1:`port` to another port on this machine, and does as it is told.

    `cuts` says how many connections are cut, each once `cut_after` bytes went up through it
    (or came down, with `downwards`). `answers` are what the next connections get at once,
    instead of the server. `bytes_per_second` slows both ways. `watched` is called with all
    that goes up, connection by connection. A `tunnel` is the proxy through which programs that
    read HTTPS_PROXY go, whatever host they ask for.
    """

    def __init__(self, to_port: int, *, tunnel: bool = False) -> None:
        self.to_port = to_port
        self._tunnel = tunnel
        self.cut_after: int | None = None
        self.cuts = 0
        self.cut = 0
        self.downwards = False
        self.answers: list[bytes] = []
        self.bytes_per_second: int | None = None
        self.watched: Callable[[socket.socket, bytes], None] | None = None
        self.passed = 0
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start()

    def pull(self) -> None:
        """Cut all connections and refuse new ones."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        with self._lock:
            for one in self._open:
                _reset(one)

    def plug(self) -> None:
        """Take connections again, on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._start()

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            self.pull()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        if self.answers:
            _answer(near, self.answers.pop(0))
            return
        if self._tunnel:
            _head(near)
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            far = socket.create_connection(("127.0.0.1", self.to_port), 30)
        except OSError:
            _reset(near)
            return
        far.settimeout(None)
        with self._lock:
            self._open |= {near, far}
        down = threading.Thread(target=self._pump, args=(far, near, True), daemon=True)
        down.start()
        self._pump(near, far, False)
        down.join(60)
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()

    def _pump(self, source: socket.socket, target: socket.socket, downwards: bool) -> None:
        passed = 0
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                if self.watched and not downwards:
                    self.watched(source, piece)
                if downwards == self.downwards and self._is_to_cut(passed + len(piece)):
                    _reset(source)
                    _reset(target)
                    return
                self._wait_for(piece)
                target.sendall(piece)
                passed += len(piece)
                self.passed += len(piece)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _is_to_cut(self, passed: int) -> bool:
        with self._lock:
            if self.cut_after is None or self.cut >= self.cuts or passed < self.cut_after:
                return False
            self.cut += 1
            return True

    def _wait_for(self, piece: bytes) -> None:
        if self.bytes_per_second:
            time.sleep(len(piece) / self.bytes_per_second)


def _answer(near: socket.socket, answer: bytes) -> None:
    """Read the request's head and body as far as it is there, and say this to it."""
    with near, suppress(OSError):
        near.settimeout(10)
        _head(near)
        near.sendall(answer)
        near.shutdown(socket.SHUT_WR)
        while near.recv(_PIECE):
            pass


def _head(near: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head and (piece := near.recv(_PIECE)):
        head += piece


def _reset(one: socket.socket) -> None:
    """Close it the hard way, so that the other side sees a reset."""
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        one.close()
