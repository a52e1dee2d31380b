"""A repository in a bucket that speaks S3.

What the protocol promises is all that is needed: an object is there whole or not at all, and
durable when its upload is answered; a listing shows what was answered before. Large files go
up in parts, and an upload that is cut off is invisible but keeps its parts: `remove` clears
them away with the last object of their backup.

Each request carries the SHA-256 of its body in its signature, with or without TLS, so that the
storage refuses what was changed on the way. Newer checksums of the protocol are left out, since
many storages do not know them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from agentpg.desk.backup.storage.bucket_access import Access, access_of, connect
from agentpg.desk.backup.storage.bucket_reading import Reading
from agentpg.desk.backup.storage.bucket_refusals import said
from agentpg.desk.backup.storage.passing import Passed
from agentpg.desk.backup.storage.repository import Stored
from agentpg.errors import FileNotWritten, ObjectMissing, RepositoryUnavailable
from agentpg.language import N_
from agentpg.settings import Settings

_MIB = 1024**2
_PART_BYTES = 16 * _MIB
_MOST_PARTS = 9000  # the protocol's limit is 10,000
_THREADS = 4
_QUEUED_PIECES = 32
_REMOVED_AT_ONCE = 1000
_FIRST_ATTEMPTS = 3

_CONFLICT = 409  # two are at one key at once; the protocol says to try again
_EXISTS = 412
_NO_CONDITIONS = (400, 501)


def open_bucket(settings: Settings) -> Bucket:
    """The repository in the bucket that `backup_repository` names; it is not yet asked.

    Raises RepositoryUnknown, WrongValue and ExtraMissing.
    """
    return Bucket(access_of(settings))


class Bucket:
    """The objects of one bucket below one prefix; see `Repository`."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._first = connect(access, min(_FIRST_ATTEMPTS, access.attempts))

    @property
    def place(self) -> str:
        """The bucket and the prefix in it."""
        return self._access.place

    def folder(self, key: str) -> Path | None:  # noqa: ARG002
        """None: nothing of it is local."""
        return None

    def objects(self, prefix: str) -> Iterator[Stored]:
        """All objects whose key begins so, in the order of their keys, page after page."""
        with self._said():
            for page in self._pages("list_objects_v2", prefix):
                for one in page.get("Contents", ()):
                    yield Stored(
                        key=one["Key"].removeprefix(self._name("")),
                        size_bytes=one["Size"],
                        written_at=one["LastModified"],
                    )

    def put(self, key: str, source: Path, passed: Passed | None = None) -> None:
        """Store a file, in parts where it is large, several of them at a time."""
        transfer = _transfer(source.stat().st_size)
        with self._said():
            self._client.upload_file(
                str(source),
                self._access.bucket,
                self._name(key),
                Callback=passed,
                Config=transfer,
            )

    def settle(self, key: str) -> None:
        """Nothing is written in place."""

    def write(self, key: str, content: bytes) -> None:
        """Store a small object, in the place of one that is there."""
        with self._said():
            self._client.put_object(**self._target(key), Body=content)

    def create(self, key: str, content: bytes) -> bool:
        """Store a small object unless there is one of this key; whether it did.

        Where the storage knows no conditions, it is looked for one first.
        """
        with self._said():
            status = self._put_new(key, content)
            if status in _NO_CONDITIONS:
                return self._create_after_looking(key, content)
        # A repeated request meets what its first try stored, where only the answer was lost.
        return status != _EXISTS or self.read(key) == content

    def read(self, key: str) -> bytes:
        """A small object."""
        with self.open(key) as stream:
            return stream.read()

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """An object as a stream, which goes on where the connection was cut."""
        get = partial(self._client.get_object, **self._target(key))
        reading = Reading(get, self._access.attempts, partial(self._said, key))
        with io.BufferedReader(reading, _MIB) as buffered:
            yield cast(BinaryIO, buffered)

    def fetch(self, key: str, target: Path, passed: Passed | None = None) -> None:
        """Bring an object to a file that does not exist yet. Raises FileNotWritten too."""
        if target.exists():
            raise FileNotWritten(N_("there is a file of this name"), path=target)
        try:
            with self._said(key):
                self._client.download_file(
                    self._access.bucket,
                    self._name(key),
                    str(target),
                    Callback=passed,
                    Config=_transfer(),
                )
        except OSError as error:
            raise FileNotWritten(error.strerror or str(error), path=target) from error

    def remove(self, keys: list[str]) -> None:
        """Remove objects, and the remains of uploads of backups of which this leaves nothing."""
        with self._said():
            for first in range(0, len(keys), _REMOVED_AT_ONCE):
                self._remove_some(keys[first : first + _REMOVED_AT_ONCE])
            for home in {"/".join(key.split("/")[:2]) for key in keys}:
                self._abort_uploads(f"{home}/")

    def free_bytes(self) -> int | None:
        """Unknown: the protocol does not tell."""
        return None

    @cached_property
    def _client(self) -> Any:
        """What speaks to the storage, which has answered once."""
        with self._said():
            self._first.list_objects_v2(
                Bucket=self._access.bucket, Prefix=self._name(""), MaxKeys=1
            )
        return connect(self._access, self._access.attempts)

    def _said(self, key: str = "") -> AbstractContextManager[None]:
        return said(self._access, key)

    def _name(self, key: str) -> str:
        return f"{self._access.prefix}/{key}" if self._access.prefix else key

    def _target(self, key: str) -> dict[str, str]:
        return {"Bucket": self._access.bucket, "Key": self._name(key)}

    def _pages(self, operation: str, prefix: str) -> Iterator[dict[str, Any]]:
        paginator = self._client.get_paginator(operation)
        yield from paginator.paginate(Bucket=self._access.bucket, Prefix=self._name(prefix))

    def _put_new(self, key: str, content: bytes) -> int:
        """The status of the answer to a put that must not replace anything."""
        client = self._client
        for last in (False, True):
            try:
                client.put_object(**self._target(key), Body=content, IfNoneMatch="*")
            except client.exceptions.ClientError as error:
                status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
                if status == _CONFLICT and not last:
                    continue
                if status != _EXISTS and status not in _NO_CONDITIONS:
                    raise
                return status
            return 200
        raise AssertionError("the last try returns or raises")

    def _create_after_looking(self, key: str, content: bytes) -> bool:
        try:
            self.read(key)
        except ObjectMissing:
            self.write(key, content)
            return True
        return False

    def _remove_some(self, keys: list[str]) -> None:
        names = [{"Key": self._name(key)} for key in keys]
        answer = self._client.delete_objects(
            Bucket=self._access.bucket, Delete={"Objects": names, "Quiet": True}
        )
        for error in answer.get("Errors", ()):
            reason = f"{error.get('Key')}: {error.get('Message') or error.get('Code')}"
            raise RepositoryUnavailable(reason, place=self.place)

    def _abort_uploads(self, home: str) -> None:
        """End the uploads below a backup's folder that nobody completed, if all else is gone."""
        left = self._uploads(home)
        if not left or next(self.objects(home), None):
            return
        for name, upload in left:
            self._client.abort_multipart_upload(
                Bucket=self._access.bucket, Key=name, UploadId=upload
            )

    def _uploads(self, home: str) -> list[tuple[str, str]]:
        """What is left of uploads below a folder; none where we may not ask for that."""
        client = self._client
        try:
            pages = list(self._pages("list_multipart_uploads", home))
        except client.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 405, 501):
                return []
            raise
        uploads = [one for page in pages for one in page.get("Uploads", ())]
        return [(one["Key"], one["UploadId"]) for one in uploads]


def _transfer(size_bytes: int = 0) -> Any:
    """How a file goes up or comes down: parts of one size, within the protocol's number."""
    from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]  # noqa: PLC0415

    part = max(_PART_BYTES, -(-size_bytes // _MOST_PARTS))
    return TransferConfig(
        multipart_threshold=part,
        multipart_chunksize=part,
        max_concurrency=_THREADS,
        max_io_queue=_QUEUED_PIECES,
        preferred_transfer_client="classic",
    )
