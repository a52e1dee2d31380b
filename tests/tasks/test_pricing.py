"""What calls cost, and that nothing is made up."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest

from agentpg.tasks.answers import Answer, Tokens
from agentpg.tasks.pricing import as_cost, cost_of, provider_at

pytestmark = pytest.mark.without_server

_THOUSAND = Answer(tokens=Tokens(input=1000, output=100))


def test_by_the_list() -> None:
    assert cost_of("openai", "gpt-4o", _THOUSAND) == (Decimal("0.0035"), "genai-prices")


def test_cached_tokens_are_cheaper() -> None:
    cached = Answer(tokens=Tokens(input=1000, output=100, cache_read=400))
    assert cost_of("openai", "gpt-4o", cached)[0] == Decimal("0.0030")


def test_longer_kept_cache_writes_are_dearer() -> None:
    def written(**details: int) -> Decimal:
        tokens = Tokens(input=1000, output=0, cache_write=1000, details=details)
        cost, _ = cost_of("anthropic", "claude-haiku-4-5", Answer(tokens=tokens))
        assert cost is not None
        return cost

    assert written(cache_write_1h_tokens=1000) > written(cache_write_5m_tokens=1000)


def test_the_model_that_answered_counts() -> None:
    answer = Answer(tokens=Tokens(input=1000, output=100), model="gpt-4o")
    assert cost_of("openai", "gpt-4o-mini", answer)[0] == Decimal("0.0035")
    unknown = Answer(tokens=Tokens(input=1000, output=100), model="ft:our-own")
    assert cost_of("openai", "gpt-4o", unknown)[0] == Decimal("0.0035")


def test_the_service_tier_counts() -> None:
    flex = Answer(tokens=Tokens(input=1000, output=100), service_tier="flex")
    assert cost_of("openai", "o3", flex)[0] == Decimal("0.0014")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("x_ai", "grok-4"),
        ("gcp.gen_ai", "gemini-2.5-pro"),
        ("gcp.vertex_ai", "gemini-2.5-pro"),
        ("azure.ai.inference", "gpt-4o"),
        ("azure_openai", "gpt-4o"),
        (" OpenAI ", "gpt-4o"),
        ("mistral_ai", "mistral-large-latest"),
    ],
)
def test_providers_by_their_other_names(provider: str, model: str) -> None:
    assert cost_of(provider, model, _THOUSAND)[1] == "genai-prices"


@pytest.mark.parametrize(
    ("provider", "model", "answer"),
    [
        ("openai", "no-such-model", _THOUSAND),
        ("ollama", "llama3", _THOUSAND),
        ("", "", _THOUSAND),
        ("openai", "gpt-4o", Answer()),
    ],
)
def test_what_has_no_price_is_unpriced(provider: str, model: str, answer: Answer) -> None:
    assert cost_of(provider, model, answer) == (None, "unpriced")


def test_what_the_provider_says_wins() -> None:
    said = Answer(tokens=Tokens(input=1000, output=100), cost_usd=0.1)
    assert cost_of("openai", "gpt-4o", said) == (Decimal("0.1"), "provider")
    assert cost_of("ollama", "llama3", Answer(cost_usd=0)) == (Decimal(0), "provider")


@pytest.mark.parametrize("value", [-1, "NaN", "Infinity", "dear", 10**8, None])
def test_what_is_no_cost(value: object, caplog: pytest.LogCaptureFixture) -> None:
    assert as_cost(value) is None
    assert "no cost" in caplog.text


def test_ten_decimal_places() -> None:
    assert as_cost("0.12345678901234") == Decimal("0.1234567890")


def test_the_provider_at_an_address() -> None:
    assert provider_at("https://api.groq.com/openai/v1/", "openai") == "groq"
    assert provider_at("http://127.0.0.1:8000/v1/", "openai") == "openai"


def test_the_price_list_is_not_loaded_at_the_start() -> None:
    code = "import sys, agentpg.tasks.run; sys.exit('genai_prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_neither_vendor_is_needed() -> None:
    code = (
        "import sys; sys.modules['openai'] = sys.modules['anthropic'] = None\n"
        "import agentpg.tasks.run"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
