"""What a storage, or the way to it, says when it does not do what it should: as our errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agentpg.desk.backup.storage.bucket_access import Access
from agentpg.errors import (
    BucketMissing,
    BucketRefused,
    BucketUntrusted,
    ObjectMissing,
    RepositoryError,
    RepositoryFull,
    RepositoryUnavailable,
)
from agentpg.language import N_

_NO_CREDENTIALS = N_("no access key is configured")

# The codes of several storages that have no room left; the protocol itself has none.
_FULL = (
    "InsufficientCapacity",
    "InsufficientStorage",
    "QuotaExceeded",
    "StorageFull",
    "XMinioAdminBucketQuotaExceeded",
    "XMinioStorageFull",
)
_REFUSED = (
    "AccessDenied",
    "AccountProblem",
    "AllAccessDisabled",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "PermanentRedirect",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
)
_MISSING = ("NoSuchKey", "404", "NotFound")
_NO_ROOM = 507


@contextmanager
def said(access: Access, key: str = "") -> Iterator[None]:
    """Say our way what goes wrong within; `key` is the object that is asked for."""
    from boto3.exceptions import Boto3Error  # type: ignore[import-untyped]  # noqa: PLC0415
    from botocore.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415
        BotoCoreError,
        ClientError,
    )

    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        # The transfers wrap what happened in a sentence of their own.
        cause = error.__context__ if isinstance(error, Boto3Error) else None
        raise _ours(cause or error, access, key) from error


def _ours(error: BaseException, access: Access, key: str) -> RepositoryError:
    response: dict[str, Any] | None = getattr(error, "response", None)
    if response is None:
        return _of_the_way(error, access)
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in _MISSING and key:
        return ObjectMissing(place=access.place, key=key)
    if code in _FULL or status == _NO_ROOM:
        kind: type[RepositoryError] = RepositoryFull
    elif code == "NoSuchBucket":
        kind = BucketMissing
    elif code in _REFUSED or status in (401, 403):
        kind = BucketRefused
    else:
        kind = RepositoryUnavailable
    return kind(_without_secrets(_reason(response, code), access), place=access.place)


def _of_the_way(error: BaseException, access: Access) -> RepositoryError:
    """What is no answer of the storage."""
    from botocore import exceptions as way  # type: ignore[import-untyped]  # noqa: PLC0415

    if isinstance(error, way.NoCredentialsError | way.PartialCredentialsError):
        return BucketRefused(_NO_CREDENTIALS, place=access.place)
    if isinstance(error, way.SSLError) and "CERTIFICATE" in str(error).upper():
        return BucketUntrusted(_without_secrets(_core(error), access), place=access.place)
    return RepositoryUnavailable(_without_secrets(_core(error), access), place=access.place)


def _reason(response: dict[str, Any], code: str) -> str:
    said = response.get("Error", {})
    region = said.get("Region")
    beside = f"; the bucket is in {region}" if region else ""
    message = str(said.get("Message") or "").strip().rstrip(".")
    return f"{message or code} ({code}){beside}" if message != code else f"{code}{beside}"


def _core(error: BaseException) -> str:
    """The first line of what happened, without the details of the request."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"\?[^\s\"']+", "", line).rstrip(".")


def _without_secrets(text: str, access: Access) -> str:
    for secret in filter(None, (access.secret_key, access.session_token)):
        text = text.replace(secret, "***")
    return text
