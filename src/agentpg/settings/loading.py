"""Reading the settings, and saying what is wrong with one."""

from __future__ import annotations

import difflib
import re
from datetime import timedelta
from pathlib import Path

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from agentpg.errors import SettingError, WrongValue
from agentpg.language import N_
from agentpg.quantities import format_duration
from agentpg.settings.environment import env_file, hand_over_service_file, process_variables
from agentpg.settings.kinds import TOO_SMALL
from agentpg.settings.names import known_variables, variable_of
from agentpg.settings.options import PREFIX, Settings
from agentpg.settings.showing import hide_password

_ENVIRONMENT = N_("the environment")
_UNKNOWN_NAME = N_("there is no such setting")

# From where on there is a warning, and from where on it is critical; whether that is more.
_THRESHOLDS = (
    ("disk_warning", "disk_critical", True),
    ("disk_left_warning", "disk_left_critical", False),
    ("backup_age_warning", "backup_age_critical", True),
    ("backup_drill_warning", "backup_drill_critical", True),
    ("task_wait_warning", "task_wait_critical", True),
)
# The options that are paths.
_PATHS = (
    "home",
    "pg_bin",
    "documents",
    "seal_key_file",
    "redact_file",
    "retention_archive",
    "backup_repository",
    "backup_key_file",
    "backup_s3_ca_file",
    "notify_smtp_ca_file",
    "data_folder",
    "audit_baseline",
)
_NO_ACCOUNT = N_("there is no account whose home it could be in")
_TURNED = N_("a warning must come before what is critical")

# What is wrong with a value, by pydantic's name for it.
_COMPLAINTS = {
    "bool_parsing": N_("it must be true or false"),
    "greater_than": TOO_SMALL,
    "greater_than_equal": N_("it is too small"),
    "int_parsing": N_("it must be a whole number"),
    "less_than_equal": N_("it is too large"),
    "literal_error": N_("there is no such choice"),
    "string_pattern_mismatch": N_("it must be lower-case letters, digits and _, at most 40"),
}


def load_settings(**overrides: object) -> Settings:
    """Read the settings; `overrides` win over environment and `.env`.

    Raises SettingError for an unknown name that begins with AGENTPG_, and for a value
    that does not fit.
    """
    _refuse_unknown_names()
    try:
        settings = Settings(**{k: v for k, v in overrides.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        raise _setting_error(error) from None
    _refuse_turned_thresholds(settings)
    _refuse_unknown_accounts(settings)
    hand_over_service_file()
    return settings


def _refuse_unknown_accounts(settings: Settings) -> None:
    """A path may begin with ~NAME, the home of an account, if there is such an account."""
    for name in _PATHS:
        value = getattr(settings, name)
        try:
            Path(value).expanduser()
        except (RuntimeError, ValueError):
            field = Settings.model_fields[name]
            variable = variable_of(name, field)
            raise WrongValue(
                _NO_ACCOUNT,
                hint=field.description,
                name=variable,
                source=_source_of_name(variable),
                value=repr(str(value)),
            ) from None


def _refuse_turned_thresholds(settings: Settings) -> None:
    """A warning that comes after what it warns of would never be given."""
    for name, critical, rises in _THRESHOLDS:
        before, after = getattr(settings, name), getattr(settings, critical)
        if before == after or (before < after) == rises:
            continue
        said = {name, critical} & settings.model_fields_set
        wrong = name if name in said else critical
        field = Settings.model_fields[wrong]
        variable = variable_of(wrong, field)
        raise WrongValue(
            _TURNED,
            hint=field.description,
            name=variable,
            source=_source_of_name(variable),
            value=_shown(getattr(settings, wrong)),
        )


def _shown(value: timedelta | int) -> str:
    return format_duration(value) if isinstance(value, timedelta) else str(value)


def _source_of_name(variable: str) -> str:
    """Where a variable is set; the environment wins over the file."""
    for source, names in ((_ENVIRONMENT, process_variables()), (".env", env_file())):
        if variable in names:
            return source
    return N_("the command line")


def _refuse_unknown_names() -> None:
    known = list(known_variables())
    for source, names in ((".env", env_file()), (_ENVIRONMENT, process_variables())):
        for name in names:
            if name.upper().startswith(PREFIX) and name.upper() not in known:
                raise _unknown_name(name, source, known)


def _unknown_name(name: str, source: str, known: list[str]) -> SettingError:
    close = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.5)
    if close:
        return SettingError(
            _UNKNOWN_NAME,
            hint=N_("Did you mean {near}?"),
            name=name,
            source=source,
            near=close[0],
        )
    return SettingError(_UNKNOWN_NAME, name=name, source=source)


def _setting_error(error: ValidationError) -> SettingError:
    first = error.errors()[0]
    place = str(first["loc"][0])
    option = known_variables().get(place, place)
    field = Settings.model_fields[option]
    said = re.sub(r"^Value error, ", "", first["msg"])
    values = {
        "hint": field.description,
        "name": variable_of(option, field),
        "source": _source_of_wrong(variable_of(option, field), first["input"]),
    }
    reason = _COMPLAINTS.get(first["type"], said)
    if _is_secret(field):
        return SettingError(reason, **values)
    # A connection string that stands in another's place has its password with it.
    return WrongValue(reason, **values, value=hide_password(repr(first["input"])))


def _source_of_wrong(variable: str, value: object) -> str:
    """Where the wrong value was given: a global option wins over the environment."""
    for source, names in ((_ENVIRONMENT, process_variables()), (".env", env_file())):
        if names.get(variable) == value:
            return source
    return N_("the command line")


def _is_secret(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("secret"))
