"""The settings as they are shown, without secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from pydantic.fields import FieldInfo

from agentpg.quantities import format_duration, format_size
from agentpg.settings.environment import env_file, process_variables
from agentpg.settings.names import variable_of
from agentpg.settings.options import Settings


@dataclass(frozen=True, slots=True)
class Option:
    """One setting as `agentpg config show` prints it."""

    name: str
    variable: str
    value: str
    source: str
    default: str
    unit: str
    meaning: str


def describe(settings: Settings) -> list[Option]:
    """Every option with its value and where it comes from; secrets are hidden."""
    return [_describe_one(settings, name, field) for name, field in Settings.model_fields.items()]


def hide_password(dsn: str) -> str:
    """A connection string without its password.

    >>> hide_password("postgresql://admin:s3cret@localhost/agentic_ai")
    'postgresql://admin:***@localhost/agentic_ai'
    >>> hide_password("host=localhost password='a b' user=admin")
    'host=localhost password=*** user=admin'
    """
    hidden = re.sub(r"(://[^:/@?\s]*):(?:(?!://)\S)*@", r"\1:***@", dsn)
    return re.sub(r"(?i)(passw\w{0,30}\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]+)", r"\1***", hidden)


def _hidden_dsn(dsn: str) -> str:
    """What is neither a URI nor name=value may be anything, a password too."""
    return hide_password(dsn) if "://" in dsn or "=" in dsn else "***"


def _describe_one(settings: Settings, name: str, field: FieldInfo) -> Option:
    variable = variable_of(name, field)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    value = _shown(getattr(settings, name), extra.get("unit"))
    default = _shown(
        field.get_default(call_default_factory=True, validated_data={}), extra.get("unit")
    )
    if extra.get("secret") and value:
        value = _hidden_dsn(value) if "dsn" in name else "***"
    return Option(
        name=name,
        variable=variable,
        value=value,
        source=_source(variable, value, default),
        default=default,
        unit=str(extra.get("unit", "")),
        meaning=field.description or "",
    )


def _shown(value: object, unit: object = "") -> str:
    if value is None:
        return ""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and unit == "bytes":
        return format_size(value)
    return str(value)


def _source(variable: str, value: str, default: str) -> str:
    if variable in process_variables():
        return "environment"
    if variable in env_file():
        return ".env"
    return "default" if value == default else "option"
