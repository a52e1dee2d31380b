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


# What its name calls a secret: PGPASSWORD=…, --secret-key …, "token": …, a query's sig=….
_NAMED_SO = r"[\w-]{0,40}?(?:pass|pwd|secret|token|key|credential|auth|sig(?:nature)?)[\w-]{0,40}"
_HIDDEN = r"""(?:'[^']*'|"[^"]*"|[^\s'"&;|,)])+"""
_SECRETS = (
    (re.compile(r"(?i)\b(Bearer|Basic)\s+[^\s'\"]+"), r"\1 ***"),
    (
        re.compile(rf"(?i)(?<![\w-])({_NAMED_SO}['\"]?\s?[=:]\s?)(?!Bearer|Basic){_HIDDEN}"),
        r"\1***",
    ),
    (re.compile(rf"(?i)(?<!\S)(--?{_NAMED_SO}\s+)(?!-){_HIDDEN}"), r"\1***"),
    (re.compile(r"(?<!\S)((?:-u|--user)[\s=]*[^\s:'\"]+):[^\s'\"]+"), r"\1:***"),
    # Our own tokens, wherever they stand.
    (re.compile(r"\b(apg_)[0-9A-Za-z]{20,}", re.ASCII), r"\1***"),
    (re.compile(r"\b(sshpass\s+-p)\s*\S+"), r"\1 ***"),
)


def hide_secrets(command: str) -> str:
    """A shell command without the passwords, keys and tokens that are in it.

    What a secret is, its name says; better too much is hidden than too little.

    >>> hide_secrets("PGPASSWORD=s3cret aws s3 cp %p s3://wal/%f --sse-c-key 'a b'")
    'PGPASSWORD=*** aws s3 cp %p s3://wal/%f --sse-c-key ***'
    >>> hide_secrets("curl -u me:s3cret -H 'Authorization: Bearer abc' -T %p https://a:b@wal/%f")
    "curl -u me:*** -H 'Authorization: Bearer ***' -T %p https://a:***@wal/%f"
    >>> hide_secrets('test ! -f /wal/%f && cp "%p" /wal/%f')
    'test ! -f /wal/%f && cp "%p" /wal/%f'
    """
    hidden = hide_password(command)
    for pattern, shown in _SECRETS:
        hidden = pattern.sub(shown, hidden)
    return hidden


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
