"""PostgreSQL's protocol, as far as a login needs it: messages out, and the answers to them.

The formats are those of the chapter "Frontend/Backend Protocol" of PostgreSQL's manual. Errors
carry codes that no locale translates, so nothing here reads a sentence.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from agentpg.desk.doctor.connection.facts import Greeting, Refusal

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_PROTOCOL = 3 << 16

# Longer than any answer to a login; what says so speaks something else.
_LONGEST = 64 * 1024

# The types of the messages that may come before the first query.
_KNOWN = frozenset(b"RESKZNvA")

# How much of something else is kept, to tell what it is.
_EXCERPT = 40


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the server."""

    kind: str
    body: bytes


class Strange(Exception):
    """What came is not PostgreSQL's protocol; with its first bytes."""

    def __init__(self, first: bytes) -> None:
        super().__init__()
        self.first = first


class Closed(Exception):
    """The connection ended where a message should come."""


def ask_for_tls(line: socket.socket) -> tuple[Greeting, bytes]:
    """Ask whether TLS is offered: what the answer is, and its first bytes.

    Raises OSError; a time-out is TimeoutError.
    """
    line.sendall(_SSL_REQUEST)
    first = line.recv(1)
    match first:
        case b"S":
            return "tls", first
        case b"N":
            return "plain", first
        case b"":
            return "closed", first
    more = first + line.recv(_LONGEST if first == b"E" else _EXCERPT)
    # An error that has no length like one was sent by something else.
    is_error = first == b"E" and len(more) > 5 and 4 < _length(more) < _LONGEST
    return ("refused" if is_error else "foreign"), more


def startup(parameters: Mapping[str, str]) -> bytes:
    """The first message of a session."""
    pairs = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items())
    body = struct.pack("!i", _PROTOCOL) + pairs + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def response(body: bytes) -> bytes:
    """An answer to a question about who we are."""
    return b"p" + struct.pack("!i", len(body) + 4) + body


def goodbye() -> bytes:
    """The end of a session."""
    return b"X" + struct.pack("!i", 4)


def receive(line: socket.socket) -> Message:
    """The next message. Raises Strange, Closed and OSError."""
    head = _exactly(line, 5)
    length = _length(head)
    if head[0] not in _KNOWN or not 4 <= length < _LONGEST:
        raise Strange(head + _more(line))
    return Message(chr(head[0]), _exactly(line, length - 4))


def refusal_in(body: bytes) -> Refusal:
    """The fields of an error."""
    fields = {part[:1].decode(): part[1:].decode(errors="replace") for part in body.split(b"\0")}
    return Refusal(
        sqlstate=fields.get("C", ""),
        severity=fields.get("V", ""),
        message=fields.get("M", ""),
        detail=fields.get("D", ""),
        hint=fields.get("H", ""),
        routine=fields.get("R", ""),
    )


def readable(first: bytes) -> str:
    """The first bytes of something else, as far as they are text."""
    line = first.split(b"\n")[0].strip(b"\r\0")
    return "".join(chr(one) if 32 <= one < 127 else "." for one in line)[:_EXCERPT]


def _length(head: bytes) -> int:
    length: int = struct.unpack_from("!i", head, 1)[0]
    return length


def _exactly(line: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        piece = line.recv(size - len(got))
        if not piece:
            if got and got[0] not in _KNOWN:
                raise Strange(got)
            raise Closed
        got += piece
    return got


def _more(line: socket.socket) -> bytes:
    """What else of a strange answer has come already."""
    try:
        line.settimeout(0.2)
        return line.recv(_EXCERPT)
    except OSError:
        return b""
