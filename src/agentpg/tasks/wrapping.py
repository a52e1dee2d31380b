"""Clients of model providers whose calls are recorded.

The clients of `openai` and `anthropic` send everything through one method, `post`. A
recorded client is a copy, as `with_options()` makes it, with that method replaced: it is of
the same type, shares the connections, and whatever the client can do (helpers that stream
or parse, raw responses, tools) goes the same way. Neither package is imported here.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import new_class
from typing import Any, TypeVar, cast, get_origin

from agentpg.errors import ClientUnknown
from agentpg.tasks.answers import Answer, StreamedAnswer, get, read_answer
from agentpg.tasks.pricing import provider_at
from agentpg.tasks.usage import LlmCall

Client = TypeVar("Client")

_log = logging.getLogger("agentpg.usage")

_VENDORS = ("openai", "anthropic")

# The requests that are calls of a model, as their paths end.
_CALLS = ("/chat/completions", "/completions", "/responses", "/embeddings", "/messages")

# The one kind of stream that tells its usage only when asked.
_TOLD_WHEN_ASKED = ("/chat/completions", "/completions")

# Stands for a piece that the caller does not get.
_HIDDEN = object()

_CLOSED_EARLY = "the stream was closed before its end"


def wrap_client(client: Client, llm_call: Callable[..., LlmCall]) -> Client:
    """A copy of the client whose calls are recorded; the client itself stays as it is.

    Chat completions that stream are asked for their usage; a caller that says
    `stream_options=None`, for a server that does not know it, is left alone.
    Raises ClientUnknown for anything but a client of `openai` or `anthropic`.
    """
    vendor = _vendor(client)
    made = cast(Any, client)
    provider = provider_at(str(made.base_url), vendor)
    return cast(Client, _recorded(made.copy(), _Recorder(llm_call, provider, _key(made))))


def _vendor(client: object) -> str:
    for kind in type(client).__mro__:
        package, _, module = kind.__module__.partition(".")
        if package in _VENDORS and module == "_base_client" and hasattr(client, "copy"):
            return package
    raise ClientUnknown(kind=type(client).__name__)


def _key(client: Any) -> str:
    key = getattr(client, "api_key", None)
    return key if isinstance(key, str) else ""


def _recorded(client: Any, recorder: _Recorder) -> Any:
    """Replace `post`, and `copy` so that what is made from the client is recorded too.

    The replacements are attributes of this one object: the vendors treat subclasses of
    their clients differently.
    """
    post, copy = client.post, client.copy

    def copy_recorded(*args: Any, **kwargs: Any) -> Any:
        return _recorded(copy(*args, **kwargs), recorder)

    client.copy = client.with_options = copy_recorded
    client.post = (
        recorder.asynchronous(post)
        if inspect.iscoroutinefunction(post)
        else recorder.blocking(post)
    )
    return client


class _Recorder:
    """Makes recording versions of `post`."""

    def __init__(self, llm_call: Callable[..., LlmCall], provider: str, key: str) -> None:
        self._llm_call = llm_call
        self._provider = provider
        self._key = key

    def blocking(self, post: Callable[..., Any]) -> Callable[..., Any]:
        """For a sync client."""

        def recording_post(path: str, **request: Any) -> Any:
            if not _is_call(path):
                return post(path, **request)
            followed = _Followed(self._call(request), path, request)
            followed.call.start_blocking()
            try:
                response = post(path, **followed.request)
            except BaseException as error:
                followed.call.end_blocking(error)
                raise
            if not followed.goes_on(response):
                followed.call.end_blocking(None)
            return response

        return recording_post

    def asynchronous(self, post: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """For an async client."""

        async def recording_post(path: str, **request: Any) -> Any:
            if not _is_call(path):
                return await post(path, **request)
            followed = _Followed(self._call(request), path, request)
            await followed.call.start()
            try:
                response = await post(path, **followed.request)
            except BaseException as error:
                await followed.call.end(error)
                raise
            if not followed.goes_on(response):
                await followed.call.end(None)
            return response

        return recording_post

    def _call(self, request: Mapping[str, Any]) -> LlmCall:
        body = request.get("body")
        model = body.get("model") if isinstance(body, Mapping) else None
        call = self._llm_call(provider=self._provider, model=str(model or ""))
        call.hide(self._key)
        return call


class _Followed:
    """One call, followed to its end: to that of its response, or of its stream."""

    def __init__(self, call: LlmCall, path: str, request: Mapping[str, Any]) -> None:
        self.call = call
        self.request = dict(request)
        self._gathered = StreamedAnswer()
        self._asked_for_usage = False
        self._reading = False
        if request.get("stream") and request.get("stream_cls") is not None:
            self.request["stream_cls"] = self._observed(request["stream_cls"])
            if _path(path).endswith(_TOLD_WHEN_ASKED):
                self._ask_for_usage()

    def goes_on(self, response: Any) -> bool:
        """Whether the end comes later; if it does not, the answer has been read."""
        http = get(response, "http_response") or get(response, "response")
        if getattr(http, "is_closed", True):
            self.call.answer(_whole(response))
            return False
        self._watch_closing(http)
        return True

    def _ask_for_usage(self) -> None:
        body = self.request.get("body")
        options = self.request.get("options") or {}
        extra = options.get("extra_json") or {}
        said = {**body, **extra}.get("stream_options", {}) if isinstance(body, Mapping) else None
        if isinstance(said, Mapping) and "include_usage" not in said:
            asked = {**said, "include_usage": True}
            self.request["body"] = {**cast(Any, body), "stream_options": asked}
            self._asked_for_usage = True

    def _observed(self, stream_cls: Any) -> type:
        """The client's class of streams, with each piece seen by us."""
        made_of = get_origin(stream_cls) or stream_cls
        methods = self._async_reading(made_of) if _is_async(made_of) else self._reading_of(made_of)
        return new_class("RecordedStream", (stream_cls,), {}, lambda names: names.update(methods))

    def _reading_of(self, made_of: Any) -> dict[str, Any]:
        def read(stream: Any) -> Any:
            piece = _HIDDEN
            while piece is _HIDDEN:
                self._reading = True
                try:
                    piece = self._seen(made_of.__next__(stream))
                except BaseException as error:
                    self.call.end_blocking(self._left_by(error))
                    raise
                finally:
                    self._reading = False
            return piece

        return {"__next__": read, "__iter__": lambda stream: stream}

    def _async_reading(self, made_of: Any) -> dict[str, Any]:
        async def read(stream: Any) -> Any:
            piece = _HIDDEN
            while piece is _HIDDEN:
                self._reading = True
                try:
                    piece = self._seen(await made_of.__anext__(stream))
                except BaseException as error:
                    await self.call.end(self._left_by(error))
                    raise
                finally:
                    self._reading = False
            return piece

        return {"__anext__": read, "__aiter__": lambda stream: stream}

    def _seen(self, piece: Any) -> Any:
        """The piece for the caller; _HIDDEN for the usage that only we have asked for."""
        try:
            self._gathered.see(piece)
        except Exception:  # noqa: BLE001 - the caller gets the piece all the same
            _log.exception("a piece of the stream of call %s was not understood", self.call.id)
        only_usage = get(piece, "choices") == [] and get(piece, "usage") is not None
        return _HIDDEN if self._asked_for_usage and only_usage else piece

    def _left_by(self, error: BaseException) -> BaseException | None:
        """Note what was gathered; the error, if the stream did not come to its end."""
        self.call.answer(self._gathered.answer())
        return None if isinstance(error, StopIteration | StopAsyncIteration) else error

    def _watch_closing(self, http: Any) -> None:
        """See the response be closed: by the caller, a helper, or the garbage collector.

        The stream itself closes it as well, while it is read to its end or fails.
        """
        close, aclose = http.close, http.aclose

        def closing() -> None:
            close()
            if not self._reading:
                self._note_early_end()
                self.call.end_blocking(None)

        async def async_closing() -> None:
            await aclose()
            if not self._reading:
                self._note_early_end()
                await self.call.end(None)

        http.close, http.aclose = closing, async_closing

    def _note_early_end(self) -> None:
        answer = self._gathered.answer()
        self.call.answer(answer)
        if answer.tokens is None:
            self.call.remark(_CLOSED_EARLY)


def _is_call(path: str) -> bool:
    return _path(path).endswith(_CALLS)


def _path(path: str) -> str:
    return path.partition("?")[0].rstrip("/")


def _is_async(stream_cls: Any) -> bool:
    return hasattr(stream_cls, "__anext__")


def _whole(response: Any) -> Answer:
    """What a response says that needs no more reading, raw ones included."""
    http = get(response, "http_response") or response
    if not hasattr(http, "is_closed"):
        return read_answer(response)
    try:
        return read_answer(http.json())
    except Exception:  # noqa: BLE001 - the caller gets the response all the same
        _log.warning("a raw response was not understood, so its usage is not known")
        return Answer()
