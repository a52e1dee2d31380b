"""A worker takes the built-in agents that have what they need."""

from __future__ import annotations

import pytest

from agentpg.agents.built_in import built_in_app
from agentpg.settings import load_settings


@pytest.mark.parametrize(
    ("settings", "agents"),
    [
        ({}, set()),
        ({"dsn_admin": "host=h"}, {"SchemaAgent"}),
        ({"dsn_monitor": "host=h"}, {"ReportAgent"}),
        ({"openai_base_url": "http://localhost:1/v1"}, {"DocumentAgent"}),
        (
            {"dsn_admin": "host=h", "dsn_monitor": "host=h", "openai_api_key": "k"},
            {"SchemaAgent", "ReportAgent", "DocumentAgent"},
        ),
    ],
)
def test_agents_are_there_for_what_is_set(settings: dict[str, str], agents: set[str]) -> None:
    app = built_in_app(load_settings(**settings))
    assert {handler.agent_name for handler in app} == agents
