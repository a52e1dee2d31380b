"""What a call costs, by the price list that comes with genai-prices; no network.

The package is imported when the first call is priced: it takes longer to load than the
rest of the engine.
"""

from __future__ import annotations

import logging
from decimal import Decimal, InvalidOperation
from typing import Any

from agentpg.tasks.answers import Answer, Tokens

_log = logging.getLogger("agentpg.usage")

# Names of OpenTelemetry and of the vendors' own clients that the price list calls otherwise.
_KNOWN_AS = {
    "x_ai": "x-ai",
    "xai": "x-ai",
    "gcp.gen_ai": "google",
    "gemini": "google",
    "azure.ai.inference": "azure",
    "azure_openai": "azure",
    "bedrock": "aws",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
}

_UNPRICED = "unpriced"

# What numeric(18, 10) takes.
_PLACES = Decimal("1e-10")
_TOO_MUCH = Decimal(100_000_000)


def cost_of(provider: str, model: str, answer: Answer) -> tuple[Decimal | None, str]:
    """The cost of one call in US dollars and where it comes from.

    The source is "provider" for a cost that the provider itself said, "genai-prices" for
    one by the list, or "unpriced", with None, when the model or its tokens are not known.
    """
    if answer.cost_usd is not None:
        cost, source = as_cost(answer.cost_usd), "provider"
    elif answer.tokens is None:
        cost, source = None, _UNPRICED
    else:
        cost, source = _by_list(provider, answer.model or model, model, answer), "genai-prices"
    return (None, _UNPRICED) if cost is None else (cost, source)


def as_cost(value: object) -> Decimal | None:
    """A sum of US dollars with ten decimal places; None, with a warning, if it is none."""
    try:
        cost = Decimal(str(value))
        if cost.is_finite() and 0 <= cost < _TOO_MUCH:
            return cost.quantize(_PLACES)
    except InvalidOperation:
        pass
    _log.warning("%r is no cost of a call; it is stored as not known", value)
    return None


def provider_at(url: str, otherwise: str) -> str:
    """The provider that serves an address, or `otherwise` where the list does not know it."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - slow to load

    try:
        return str(get_snapshot().find_provider(None, None, url).id)
    except LookupError:
        return otherwise


def _by_list(provider: str, answered: str, asked: str, answer: Answer) -> Decimal | None:
    """The price by the list: of the model that answered, or else of the one asked for."""
    assert answer.tokens is not None  # noqa: S101 - for the type checker
    for model in dict.fromkeys((answered, asked)):
        try:
            return as_cost(_look_up(provider, model, answer.tokens, answer.service_tier))
        except LookupError:
            continue
        except ValueError as error:
            _log.warning("the usage of %s could not be priced: %s", model, error)
    return None


def _look_up(provider: str, model: str, tokens: Tokens, tier: str | None) -> Decimal:
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - slow to load

    known = provider.strip().lower()
    price: Any = calc_price(
        Usage(**tokens.priced()),
        model,
        provider_id=_KNOWN_AS.get(known, known),
        price_context={"service_tier": tier} if tier else None,
    )
    return Decimal(price.total_price)
