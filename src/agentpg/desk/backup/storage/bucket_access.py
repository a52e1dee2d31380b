"""How a bucket is reached: what the settings say of it, and the client that speaks to it."""

from __future__ import annotations

import base64
import hashlib
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agentpg.errors import ExtraMissing, RepositoryUnknown, WrongValue
from agentpg.language import N_
from agentpg.settings import Settings, hide_password

_DEFAULT_REGION = "us-east-1"
_CONNECT_SECONDS = 10
_SILENT_SECONDS = 60
_CONNECTIONS = 10

# How the AWS tools call credentials that they have found in files of the account.
_OF_FILES = ("shared-credentials-file", "config-file")

_NO_BUCKET = N_("it names no bucket")
_NOT_AN_ADDRESS = N_("it must begin with http:// or https://, and hold no password and no path")
_NO_FILE = N_("there is no such file")
_NOT_BOTH = N_("an access key and its secret belong together")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a bucket is reached. What is empty is left to the rules of the AWS tools."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    addressing: str = "auto"
    ca_file: str = ""
    attempts: int = 8

    @property
    def place(self) -> str:
        """The bucket and the prefix in it, as the setting has them."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def access_of(settings: Settings) -> Access:
    """What the settings say of the bucket. Raises RepositoryUnknown and WrongValue."""
    named = settings.backup_repository.strip()
    bucket, _, prefix = named.partition("://")[2].partition("/")
    if not bucket or "@" in bucket:
        raise RepositoryUnknown(_NO_BUCKET, value=hide_password(named))
    _check(settings)
    endpoint = settings.backup_s3_endpoint
    return Access(
        bucket=bucket,
        prefix=prefix.strip("/"),
        endpoint=endpoint,
        region=settings.backup_s3_region,
        access_key=settings.backup_s3_access_key,
        secret_key=settings.backup_s3_secret_key,
        session_token=settings.backup_s3_token,
        addressing=settings.backup_s3_addressing or ("path" if endpoint else "auto"),
        ca_file=settings.backup_s3_ca_file,
        attempts=settings.backup_s3_attempts,
    )


def with_credentials(access: Access) -> Access:
    """The same for another account of this machine: with what only this one's files tell.

    What the role of the machine gives is left to that.
    """
    if access.access_key:
        return access
    session = _session(access)
    found = session.get_credentials()
    if found is None or found.method not in _OF_FILES:
        return access
    frozen = found.get_frozen_credentials()
    return replace(
        access,
        region=session.region_name or "",
        access_key=frozen.access_key,
        secret_key=frozen.secret_key,
        session_token=frozen.token or "",
    )


def connect(access: Access, attempts: int) -> Any:
    """A client of the storage, which tries each request so often. Raises ExtraMissing."""
    session = _session(access)
    from botocore.config import Config  # type: ignore[import-untyped]  # noqa: PLC0415

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_SILENT_SECONDS,
        max_pool_connections=_CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": attempts},
        signature_version="s3v4",
        s3={"addressing_style": access.addressing, "payload_signing_enabled": True},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        tcp_keepalive=True,
    )
    client = session.client(
        "s3",
        region_name=session.region_name or _DEFAULT_REGION,
        endpoint_url=access.endpoint or None,
        verify=access.ca_file or None,
        config=config,
    )
    # What it tells at `debug` holds the token of each request.
    logging.getLogger("botocore").setLevel(logging.INFO)
    client.meta.events.register("before-call.s3.DeleteObjects", _add_md5)
    return client


def _session(access: Access) -> Any:
    try:
        import boto3  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise ExtraMissing(what="S3", extra="s3") from None
    return boto3.session.Session(
        aws_access_key_id=access.access_key or None,
        aws_secret_access_key=access.secret_key or None,
        aws_session_token=access.session_token or None,
        region_name=access.region or None,
    )


def _check(settings: Settings) -> None:
    given = settings.backup_s3_endpoint
    if given and not _is_address(given):
        raise _wrong("ENDPOINT", hide_password(given), _NOT_AN_ADDRESS)
    if settings.backup_s3_ca_file and not Path(settings.backup_s3_ca_file).is_file():
        raise _wrong("CA_FILE", settings.backup_s3_ca_file, _NO_FILE)
    if bool(settings.backup_s3_access_key) != bool(settings.backup_s3_secret_key):
        raise _wrong("ACCESS_KEY", settings.backup_s3_access_key, _NOT_BOTH)


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        plain = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and plain and parts.path in ("", "/")


def _wrong(setting: str, value: str, reason: str) -> WrongValue:
    name = f"AGENTPG_BACKUP_S3_{setting}"
    return WrongValue(reason, name=name, source=N_("the environment"), value=repr(value))


def _add_md5(params: dict[str, Any], **_: object) -> None:
    """The checksum that storages asked for in this request before there were others."""
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()
