"""The public names are sorted, complete and importable."""

from __future__ import annotations

import pytest

import agentpg

pytestmark = pytest.mark.without_server


def test_every_public_name_can_be_imported() -> None:
    for name in agentpg.__all__:
        assert getattr(agentpg, name) is not None


def test_the_names_are_sorted_and_have_one_home_each() -> None:
    assert agentpg.__all__ == sorted(agentpg.__all__)
    assert set(agentpg.__all__) == set(agentpg._HOMES)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(agentpg, "Workre")
