"""Which variable of the environment each option is read from."""

from __future__ import annotations

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from agentpg.settings.options import PREFIX, Settings


def variable_of(name: str, field: FieldInfo) -> str:
    """The environment variable of an option."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"{PREFIX}{name.upper()}"


def known_variables() -> dict[str, str]:
    """Environment variable to option name."""
    return {variable_of(name, field): name for name, field in Settings.model_fields.items()}
