"""The kinds of values that options have, and how an option is written down."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field, PlainSerializer
from pydantic.config import JsonDict

from agentpg.language import N_
from agentpg.quantities import format_duration, format_size, parse_duration, parse_size
from agentpg.settings.addresses import (
    parse_addresses,
    parse_apprise,
    parse_routes,
    parse_web_url,
)
from agentpg.settings.hiding import parse_redact_names, parse_seal_rules
from agentpg.zones import zone_of

_NO_ZONE = N_("there is no such time zone")
TOO_SMALL = N_("it must be greater than 0")


def parse_zone(value: object) -> object:
    """The name of a time zone in the IANA data base, as it is."""
    try:
        zone_of(str(value))
    except ValueError:
        raise ValueError(_NO_ZONE) from None
    return value


def _positive_duration(value: object) -> object:
    """A duration as `parse_duration` reads it; checked here, where the text as it was given
    is still known."""
    parsed = parse_duration(value)
    if isinstance(parsed, timedelta) and parsed <= timedelta():
        raise ValueError(TOO_SMALL)
    return parsed


def _duration_or_nothing(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else _positive_duration(value)


Duration = Annotated[
    timedelta, BeforeValidator(_positive_duration), PlainSerializer(format_duration)
]
OptionalDuration = Annotated[
    timedelta | None,
    BeforeValidator(_duration_or_nothing),
    PlainSerializer(lambda value: "" if value is None else format_duration(value)),
]
Size = Annotated[int, BeforeValidator(parse_size), PlainSerializer(format_size), Field(gt=0)]
TimeZone = Annotated[str, BeforeValidator(parse_zone)]
MailAddresses = Annotated[str, BeforeValidator(parse_addresses)]
WebUrl = Annotated[str, BeforeValidator(parse_web_url)]
AppriseUrls = Annotated[str, BeforeValidator(parse_apprise)]
Routes = Annotated[str, BeforeValidator(parse_routes)]
SealRules = Annotated[str, BeforeValidator(parse_seal_rules)]
RedactNames = Annotated[str, BeforeValidator(parse_redact_names)]


def option(default: Any, meaning: str, unit: str = "", *, secret: bool = False) -> Any:
    """An option: its default or what gives it, its meaning, its unit, whether it is hidden."""
    extra: JsonDict = {"unit": unit, "secret": secret}
    if callable(default):
        return Field(default_factory=default, description=meaning, json_schema_extra=extra)
    return Field(default, description=meaning, json_schema_extra=extra)


def foreign(default: Any, variable: str, meaning: str, *, secret: bool = False) -> Any:
    """An option that is read from a variable which others have named."""
    return Field(
        default,
        validation_alias=AliasChoices(variable),
        description=meaning,
        json_schema_extra={"unit": "", "secret": secret},
    )
