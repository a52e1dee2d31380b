"""A receiver of webhooks: a real HTTP server in a thread, which keeps what it was given."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Receiver:
    """Answers with `status`; a path /to-elsewhere redirects."""

    url: str = ""
    status: int = 200
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def documents(self) -> list[Any]:
        """The bodies as JSON."""
        return [json.loads(body) for body in self.bodies]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """One that listens on this machine."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kept.asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/to-elsewhere":
                self.send_response(302)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                return
            kept.bodies.append(body)
            kept.headers.append(dict(self.headers.items()))
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, *said: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
