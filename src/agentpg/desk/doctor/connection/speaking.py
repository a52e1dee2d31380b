"""A session's beginning: who we say we are, how the server asks for proof, what it then says."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from agentpg.desk.doctor.connection import proving
from agentpg.desk.doctor.connection.facts import Reply
from agentpg.desk.doctor.connection.proving import CannotProve, Scram
from agentpg.desk.doctor.connection.wire import (
    Closed,
    Message,
    Strange,
    goodbye,
    readable,
    receive,
    refusal_in,
    response,
    startup,
)


@dataclass(frozen=True, slots=True)
class Person:
    """As whom one comes; `password` gives what libpq would use, and is asked only if needed.

    `methods` are those by which it may be proved: to any other question nothing is answered.
    """

    user: str
    database: str
    password: Callable[[], str] = field(repr=False)
    methods: frozenset[int]
    options: Mapping[str, str] = field(default_factory=dict)

    def nameless(self) -> Person:
        """The same without a password, where only the first answer matters."""
        return replace(self, password=str)


def speak(line: socket.socket, person: Person) -> tuple[Reply, str]:
    """Begin a session, end it at once, and give what was answered; with strange first bytes."""
    begun = time.monotonic()
    strange = ""
    talk = _Talk(line, person)
    try:
        talk.begin()
    except Strange as error:
        strange = readable(error.first)
        talk.reply = replace(talk.reply, ending="foreign")
    except Closed:
        talk.reply = replace(talk.reply, ending="closed")
    except TimeoutError:
        talk.reply = replace(talk.reply, ending="silent")
    except (OSError, ValueError, KeyError):
        talk.reply = replace(talk.reply, ending="lost")
    if talk.reply.ending == "in":
        # Before, a server takes it for an answer, and complains in its log.
        with suppress(OSError):
            line.sendall(goodbye())
    by_tls = isinstance(line, ssl.SSLSocket)
    return replace(talk.reply, by_tls=by_tls, seconds=time.monotonic() - begun), strange


class _Talk:
    """One session's beginning, message by message."""

    def __init__(self, line: socket.socket, person: Person) -> None:
        self._line = line
        self._person = person
        self._scram: Scram | None = None
        self._told: dict[str, str] = {}
        self.reply = Reply(ending="lost")

    def begin(self) -> None:
        """Raises Strange, Closed, TimeoutError and OSError, and what nonsense leads to."""
        person = self._person
        said = {"user": person.user, "database": person.database, **person.options}
        self._line.sendall(startup(said))
        while not self._is_over(receive(self._line)):
            pass

    def _is_over(self, message: Message) -> bool:
        match message.kind:
            case "E":
                self._end("refused", refusal=refusal_in(message.body))
                return True
            case "Z":
                self._end("in", told=self._told)
                return True
            case "S":
                name, value, *_ = message.body.decode(errors="replace").split("\0")
                self._told[name] = value
            case "R":
                return not self._prove(message.body)
        return False

    def _end(self, ending: str, **more: object) -> None:
        self.reply = replace(self.reply, ending=ending, **more)  # type: ignore[arg-type]

    def _prove(self, body: bytes) -> bool:
        """Answer a question for proof; False where there is no answer."""
        method = proving.method_in(body)
        if method in (proving.LETS_IN, proving.SASL_ENDS):
            self.reply = replace(self.reply, method=self.reply.method or proving.LETS_IN)
            return True
        if method == proving.SASL_GOES_ON and self._scram is not None:
            self._line.sendall(response(self._scram.go_on(body)))
            return True
        mechanisms = proving.mechanisms_in(body) if method == proving.SASL else ()
        self.reply = replace(self.reply, method=method, mechanisms=mechanisms)
        try:
            answer = self._answer(method, body)
        except CannotProve:
            answer = b""
        if not answer:
            self._end("asked")
            return False
        self._line.sendall(response(answer))
        return True

    def _answer(self, method: int, body: bytes) -> bytes:
        """What proves it; empty without a password. Raises CannotProve."""
        if method not in self._person.methods:
            raise CannotProve
        password = self._person.password()
        if not password:
            return b""
        if method == proving.CLEAR:
            return proving.clear(password)
        if method == proving.MD5:
            return proving.md5(password, self._person.user, body)
        if method == proving.SASL:
            self._scram = Scram(password, self.reply.mechanisms)
            return self._scram.begin()
        raise CannotProve
