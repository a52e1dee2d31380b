"""What a provider's answer says about itself: tokens, model, id, why it ended.

One rule for all providers: `input` includes what was read from and written to the
provider's cache, `output` includes reasoning. Tokens are known all together or not at all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

_log = logging.getLogger("agentpg.usage")

# More than any model takes; beyond it the figure is a mistake.
_TOO_MANY = 10**12

# Our names of the parts, by those of genai-prices.
_PARTS = {
    "input_tokens": "input",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "output_tokens": "output",
    "output_reasoning_tokens": "reasoning",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of one call. `details` has figures that only the price depends on.

    Raises ValueError when a figure is negative, or when the parts exceed their whole.
    """

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    details: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _PARTS.values():
            value = getattr(self, name)
            if value is not None and not 0 <= value < _TOO_MANY:
                raise ValueError(f"{name} tokens can't be {value}")
        cached = (self.cache_read or 0) + (self.cache_write or 0)
        if cached > self.input:
            raise ValueError(f"{cached} cached tokens are more than {self.input} of input")
        if (self.reasoning or 0) > self.output:
            raise ValueError(f"{self.reasoning} reasoning tokens of {self.output} of output")

    def priced(self) -> dict[str, int]:
        """The figures by the names of genai-prices, those not known left out."""
        parts = {name: getattr(self, ours) for name, ours in _PARTS.items()}
        return {**self.details, **{n: value for n, value in parts.items() if value is not None}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is known of a call's end. `cost_usd` is a cost that the provider itself said."""

    tokens: Tokens | None = None
    model: str | None = None
    id: str | None = None
    finish_reason: str | None = None
    service_tier: str | None = None
    cost_usd: Decimal | float | str | None = None


def read_answer(response: Any) -> Answer:
    """Read a whole response of a provider, as an object of its client or as a dict.

    Known are OpenAI's chat completions, completions, responses and embeddings, with all
    who speak the same, and Anthropic's messages. What is not understood stays unknown.
    """
    usage = plain(get(response, "usage"))
    return Answer(
        tokens=read_tokens(usage),
        model=_text(get(response, "model")),
        id=_text(get(response, "id")),
        finish_reason=_finish_reason(response),
        service_tier=_text(get(response, "service_tier")) or _text(usage.get("service_tier")),
        cost_usd=_said_cost(usage),
    )


def read_tokens(usage: Mapping[str, Any]) -> Tokens | None:
    """Tokens from a provider's usage object; None if there is none, or, with a warning,
    if its figures contradict each other."""
    if not usage:
        return None
    try:
        return _extract(usage)
    except (ValueError, TypeError, ArithmeticError, LookupError) as error:
        _log.warning("the usage of a call makes no sense, so it is not known: %s", error)
        return None


def stated_tokens(**figures: int | None) -> Tokens | None:
    """Tokens as a caller states them; None, with a warning, if they make no sense.

    Both totals are needed: one alone says too little.
    """
    if figures.get("input") is None and figures.get("output") is None:
        return None
    try:
        if figures.get("input") is None or figures.get("output") is None:
            raise ValueError("input and output tokens are known both or not at all")  # noqa: TRY301
        whole = {name: _whole(value) for name, value in figures.items() if value is not None}
        return Tokens(**whole)  # type: ignore[arg-type]
    except (ValueError, TypeError) as error:
        _log.warning("the usage of a call makes no sense, so it is not known: %s", error)
        return None


class StreamedAnswer:
    """Gathers an answer from the pieces of a stream."""

    def __init__(self) -> None:
        self._answer: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._finished = False

    def see(self, piece: Any) -> None:
        """Take note of one chunk or event."""
        if get(piece, "choices") is not None:
            self._see_chunk(piece)
        elif (response := get(piece, "response")) is not None:
            self._see_response(str(get(piece, "type")), response)
        elif (message := get(piece, "message")) is not None:
            self._see_whole(message)
        elif get(piece, "type") == "message_delta":
            self._see_message_delta(piece)

    def answer(self) -> Answer:
        """What was seen so far. Tokens are known only if the end was seen."""
        usage = self._usage if self._finished else {}
        return read_answer({**self._answer, "usage": usage})

    def _see_chunk(self, chunk: Any) -> None:
        """OpenAI's chat completions: the usage comes after the last choice, or with it."""
        self._note(chunk, "id", "model", "service_tier")
        self._usage.update(plain(get(chunk, "usage")))
        for choice in get(chunk, "choices") or ():
            reason = get(choice, "finish_reason")
            if reason is not None:
                self._finished = True
                self._answer["finish_reason"] = reason

    def _see_response(self, kind: str, response: Any) -> None:
        """OpenAI's responses: several events carry the response, the last one its usage."""
        self._see_whole(response)
        self._note(response, "status", "incomplete_details")
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            self._finished = True

    def _see_message_delta(self, event: Any) -> None:
        """Anthropic's messages: figures are cumulative, and what is left out stays."""
        known = {n: v for n, v in plain(get(event, "usage")).items() if v is not None}
        self._usage.update(known)
        self._answer["stop_reason"] = get(get(event, "delta"), "stop_reason")
        self._finished = self._answer["stop_reason"] is not None

    def _see_whole(self, response: Any) -> None:
        self._note(response, "id", "model", "service_tier")
        self._usage.update(plain(get(response, "usage")))

    def _note(self, source: Any, *names: str) -> None:
        for name in names:
            if (value := get(source, name)) is not None:
                self._answer[name] = value


def get(source: Any, name: str) -> Any:
    """A field of an object or of a mapping; None where there is none."""
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)


def plain(source: Any) -> dict[str, Any]:
    """An object of a provider's client as a dict; empty for None and for what is neither."""
    if isinstance(source, Mapping):
        return dict(source)
    dump = getattr(source, "model_dump", None)
    # A provider's figures may not have the types that its client declares.
    return {} if dump is None else dict(dump(warnings=False))


def _extract(usage: Mapping[str, Any]) -> Tokens:
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - slow to load

    provider, flavour = _dialect(usage)
    reader = get_snapshot().find_provider(None, provider, None)
    _, extracted = reader.extract_usage({"usage": usage}, api_flavor=flavour)
    figures = {name: value for name, value in vars(extracted).items() if value is not None}
    parts = {ours: _whole(figures.pop(name, None)) for name, ours in _PARTS.items()}
    if parts["output"] is None and flavour == "embeddings":
        parts["output"] = 0
    if parts["input"] is None or parts["output"] is None:
        raise ValueError(f"it has no totals: {sorted(usage)}")
    details = {name: value for name, value in figures.items() if isinstance(value, int) and value}
    return Tokens(**parts, details=details)  # type: ignore[arg-type]


def _dialect(usage: Mapping[str, Any]) -> tuple[str, str]:
    """Whose usage object this is, by its fields: provider and flavour in genai-prices."""
    if "prompt_tokens" in usage:
        return "openai", "chat" if "completion_tokens" in usage else "embeddings"
    if "input_tokens_details" in usage:
        return "openai", "responses"
    return "anthropic", "default"


def _whole(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or int(value) != value:
        raise ValueError(f"{value!r} is not a number of tokens")
    return int(value)


def _finish_reason(response: Any) -> str | None:
    for name in ("finish_reason", "stop_reason"):
        if reason := _text(get(response, name)):
            return reason
    choices = get(response, "choices")
    if isinstance(choices, list | tuple) and choices:
        return _text(get(choices[0], "finish_reason"))
    incomplete = get(response, "incomplete_details")
    return _text(get(incomplete, "reason")) or _text(get(response, "status"))


def _said_cost(usage: Mapping[str, Any]) -> float | None:
    """The cost in US dollars that OpenRouter and those like it put into the usage."""
    cost = usage.get("cost")
    return cost if isinstance(cost, int | float) and not isinstance(cost, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
