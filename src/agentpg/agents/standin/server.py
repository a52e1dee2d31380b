"""The stand-in's HTTP server."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agentpg.agents.standin import anthropic_api, openai_api
from agentpg.agents.standin.request import Rejected, read_body

_log = logging.getLogger("agentpg.standin")

_LARGEST_BODY = 32 * 1024**2

Answer = dict[str, Any] | Iterator[tuple[str | None, dict[str, Any]]]

_ENDPOINTS: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "/v1/chat/completions": openai_api.chat,
    "/v1/responses": openai_api.responses,
    "/v1/embeddings": openai_api.embeddings,
    "/v1/messages": anthropic_api.messages,
    "/v1/messages/count_tokens": anthropic_api.count,
}


@dataclass(frozen=True, slots=True)
class Manners:
    """How the server behaves.

    `latency` is how long it thinks before it answers, and `pace` how long it takes for each
    word of a stream, both in seconds. With a `key`, no other is accepted.
    """

    latency: float = 0.05
    pace: float = 0.002
    key: str = ""


class Server(ThreadingHTTPServer):
    """Serves on the loopback interface only; port 0 takes any that is free."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, manners: Manners) -> None:
        self.manners = manners
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """What OPENAI_BASE_URL is for this server."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "agentpg-stand-in"
    sys_version = ""
    server: Server

    def do_GET(self) -> None:
        """The list of models, for clients that ask for it first."""
        try:
            self._require_key()
            if self._path() != "/v1/models":
                raise self._not_found()
            self._send(200, openai_api.models())
        except Rejected as error:
            self._reject(error)

    def do_POST(self) -> None:
        """Answer one call."""
        try:
            raw = self._read()
            self._require_key()
            endpoint = _ENDPOINTS.get(self._path())
            if endpoint is None:
                raise self._not_found()
            answer = endpoint(read_body(raw))
            time.sleep(self.server.manners.latency)
            if isinstance(answer, dict):
                self._send(200, answer)
            else:
                self._stream(answer)
        except Rejected as error:
            self._reject(error)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Into the log instead of onto the terminal."""
        _log.debug(format, *args)

    def _path(self) -> str:
        return self.path.partition("?")[0].rstrip("/")

    def _read(self) -> bytes:
        size = self.headers.get("Content-Length", "")
        if not size.isdigit():
            self.close_connection = True
            raise Rejected(411, "invalid_request_error", "The request needs a Content-Length.")
        if int(size) > _LARGEST_BODY:
            self.close_connection = True
            raise Rejected(413, "invalid_request_error", "The request is too large.")
        return self.rfile.read(int(size))

    def _require_key(self) -> None:
        bearer = self.headers.get("Authorization", "").partition(" ")[2].strip()
        key = self.headers.get("x-api-key", "").strip() or bearer
        if not key:
            raise Rejected(401, "invalid_request_error", "You didn't provide an API key.")
        if self.server.manners.key and key != self.server.manners.key:
            message = f"Incorrect API key provided: {key[:3]}***{key[-4:]}."
            raise Rejected(401, "invalid_request_error", message)

    def _not_found(self) -> Rejected:
        message = f"Invalid URL ({self.command} {self._path()})"
        return Rejected(404, "invalid_request_error", message)

    def _reject(self, error: Rejected) -> None:
        speaks = anthropic_api if self._path().startswith("/v1/messages") else openai_api
        self._send(error.status, speaks.error_body(error))

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self._head(status, "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterator[tuple[str | None, dict[str, Any]]]) -> None:
        """Server-sent events, each one a chunk on the wire as soon as it is known."""
        self._head(200, "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        named = False
        for name, data in events:
            named = name is not None
            head = f"event: {name}\n" if named else ""
            self._chunk(f"{head}data: {json.dumps(data)}\n\n")
            time.sleep(self.server.manners.pace)
        if not named:
            self._chunk("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _head(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("x-stand-in", "this is no model; it quotes central sentences")
