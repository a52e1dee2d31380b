"""A storage that is cut off, slow, refusing, full or somebody else's; the cables are real."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from agentpg.desk.backup.storage.bucket import Bucket, open_bucket
from agentpg.desk.backup.storage.opening import open_repository
from agentpg.errors import (
    AgentpgError,
    BucketMissing,
    BucketRefused,
    BucketUntrusted,
    RepositoryError,
    RepositoryFull,
    RepositoryUnavailable,
    RepositoryUnknown,
    WrongValue,
)
from agentpg.settings import load_settings
from tests.cable import Cable
from tests.storage import ACCESS_KEY, SECRET_KEY, Storage
from tests.waiting import eventually

pytestmark = pytest.mark.without_server

_MIB = 1024**2
_BIG = "backups/a/data/big"


def _answer(status: str, code: str, message: str = "said so") -> bytes:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """Three parts."""
    path = tmp_path / "big"
    path.write_bytes(os.urandom(36 * _MIB))
    return path


def _keys(bucket: Bucket) -> list[str]:
    return [stored.key for stored in bucket.objects("")]


def _uploads(storage: Storage, bucket_name: str) -> list[str]:
    answer = storage.client().list_multipart_uploads(Bucket=bucket_name)
    return [one["Key"] for one in answer.get("Uploads", ())]


def _told(error: AgentpgError) -> str:
    """All that a person sees of it; never a secret."""
    text = f"{error.message()}\n{error.advice()}"
    assert SECRET_KEY not in text
    return text


def test_an_upload_that_is_cut_is_taken_up(
    far_bucket: Bucket, bucket: Bucket, cable: Cable, big: Path, tmp_path: Path
) -> None:
    cable.cut_after, cable.cuts = 5 * _MIB, 2
    far_bucket.put(_BIG, big)
    assert cable.cut == 2
    bucket.fetch(_BIG, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == big.read_bytes()


def test_an_upload_that_is_cut_again_and_again_leaves_nothing(
    far_bucket: Bucket,
    bucket: Bucket,
    storage: Storage,
    bucket_name: str,
    cable: Cable,
    big: Path,
) -> None:
    cable.cut_after, cable.cuts = 5 * _MIB, 1000
    with pytest.raises(RepositoryUnavailable) as raised:
        far_bucket.put(_BIG, big)
    assert raised.value.exit_code == 3
    assert f"s3://{bucket_name}/some/prefix is not available" in _told(raised.value)
    assert _keys(bucket) == []
    assert _uploads(storage, bucket_name) == []


def test_a_killed_upload_leaves_nothing_that_looks_like_an_object(
    bucket: Bucket, storage: Storage, bucket_name: str, cable: Cable, big: Path
) -> None:
    bucket.write("backups/a/begun.json", b"{}")
    bucket.write("backups/b/begun.json", b"{}")
    cable.bytes_per_second = 2 * _MIB
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from agentpg.desk.backup.storage.opening import open_repository\n"
        "from agentpg.settings import load_settings\n"
        f"open_repository(load_settings()).put({_BIG!r}, Path(sys.argv[1]))\n"
    )
    options = {
        f"AGENTPG_{k.upper()}": str(v)
        for k, v in storage.options(bucket_name, port=cable.port).items()
    }
    process = subprocess.Popen([sys.executable, "-c", code, big], env={**os.environ, **options})
    eventually(lambda: cable.passed > 3 * _MIB)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert _keys(bucket) == ["backups/a/begun.json", "backups/b/begun.json"]
    assert _uploads(storage, bucket_name) == [f"some/prefix/{_BIG}"]
    # What another backup leaves is its own; with the last object of this one its parts go.
    bucket.remove(["backups/b/begun.json"])
    assert _uploads(storage, bucket_name) == [f"some/prefix/{_BIG}"]
    bucket.remove(["backups/a/begun.json"])
    assert _uploads(storage, bucket_name) == []


def test_parts_of_a_backup_that_is_being_made_stay(
    bucket: Bucket, storage: Storage, bucket_name: str
) -> None:
    bucket.write("backups/a/begun.json", b"{}")
    bucket.write("backups/a/data/1", b"")
    storage.client().create_multipart_upload(Bucket=bucket_name, Key=f"some/prefix/{_BIG}")
    bucket.remove(["backups/a/data/1"])
    bucket.remove(["backups/a/manifest.json"])
    assert _uploads(storage, bucket_name) == [f"some/prefix/{_BIG}"]


def test_a_reading_that_is_cut_goes_on_where_it_was(
    far_bucket: Bucket, bucket: Bucket, cable: Cable, big: Path, tmp_path: Path
) -> None:
    bucket.put(_BIG, big)
    cable.downwards, cable.cut_after, cable.cuts = True, 9 * _MIB, 3
    with far_bucket.open(_BIG) as stream:
        assert stream.read() == big.read_bytes()
    assert cable.cut == 3
    cable.cut = 0
    cable.cut_after = 3 * _MIB
    far_bucket.fetch(_BIG, tmp_path / "back")
    assert cable.cut > 0
    assert (tmp_path / "back").read_bytes() == big.read_bytes()


def test_a_reading_that_is_always_cut_ends_with_a_reason(
    far_bucket: Bucket, bucket: Bucket, cable: Cable, big: Path, tmp_path: Path
) -> None:
    bucket.put(_BIG, big)
    cable.downwards, cable.cut_after, cable.cuts = True, 1, 1000
    with pytest.raises(RepositoryUnavailable) as raised, far_bucket.open(_BIG) as stream:
        stream.read()
    _told(raised.value)
    with pytest.raises(RepositoryUnavailable):
        far_bucket.fetch(_BIG, tmp_path / "back")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big"]


def test_a_reading_is_never_mixed_of_two_objects(
    far_bucket: Bucket, bucket: Bucket, cable: Cable, big: Path
) -> None:
    bucket.put(_BIG, big)
    with far_bucket.open(_BIG) as stream:
        stream.read(4 * _MIB)
        big.write_bytes(os.urandom(36 * _MIB))
        bucket.put(_BIG, big)
        cable.pull()
        cable.plug()
        with pytest.raises(RepositoryUnavailable, match=r"[Pp]recondition"):
            stream.read()


def test_a_storage_that_refuses_connections_is_told_soon(
    far_bucket: Bucket, bucket_name: str, cable: Cable
) -> None:
    cable.pull()
    with pytest.raises(RepositoryUnavailable) as raised:
        list(far_bucket.objects(""))
    told = _told(raised.value)
    assert f"s3://{bucket_name}/some/prefix" in told
    assert f"127.0.0.1:{cable.port}" in told
    assert raised.value.exit_code == 3


def test_a_storage_that_is_away_for_a_moment_is_waited_for(
    storage: Storage, bucket_name: str, cable: Cable
) -> None:
    bucket = open_bucket(storage.settings(bucket_name, port=cable.port))
    bucket.write("backups/a/begun.json", b"1")
    cable.answers = [_answer("500 Internal Server Error", "InternalError")] * 2
    cable.pull()
    cable.plug()
    bucket.write("backups/a/begun.json", b"2")
    assert bucket.read("backups/a/begun.json") == b"2"


def test_a_storage_that_wants_less_is_asked_more_slowly(far_bucket: Bucket, cable: Cable) -> None:
    cable.answers = [_answer("503 Slow Down", "SlowDown", "Please reduce your request rate.")] * 2
    far_bucket.write("backups/a/begun.json", b"{}")
    assert cable.answers == []
    assert far_bucket.read("backups/a/begun.json") == b"{}"


def test_a_storage_that_wants_nothing_is_named(far_bucket: Bucket, cable: Cable) -> None:
    cable.answers = [_answer("503 Slow Down", "SlowDown", "Please reduce your request rate.")] * 99
    with pytest.raises(RepositoryUnavailable, match=r"reduce your request rate \(SlowDown\)"):
        far_bucket.write("backups/a/begun.json", b"{}")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("507 Insufficient Storage", "XMinioStorageFull"),
        ("403 Forbidden", "QuotaExceeded"),
        ("507 Insufficient Storage", "Whatever"),
    ],
)
def test_a_full_storage_is_named(far_bucket: Bucket, cable: Cable, status: str, code: str) -> None:
    assert list(far_bucket.objects("")) == []
    cable.answers = [_answer(status, code, "no room")] * 9
    cable.pull()
    cable.plug()
    with pytest.raises(RepositoryFull, match=r"is full: no room"):
        far_bucket.write("backups/a/begun.json", b"{}")


def test_a_slow_storage_is_waited_for(far_bucket: Bucket, cable: Cable, tmp_path: Path) -> None:
    cable.bytes_per_second = 200_000
    source = tmp_path / "source"
    source.write_bytes(os.urandom(400_000))
    far_bucket.put(_BIG, source)
    assert far_bucket.read(_BIG) == source.read_bytes()


def test_what_is_no_storage_is_told(far_bucket: Bucket, cable: Cable) -> None:
    page = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<p>hello\n"
    cable.answers = [page] * 9
    with pytest.raises(RepositoryUnavailable, match=r"Not Found \(404\)"):
        list(far_bucket.objects(""))
    cable.answers = [b"SSH-2.0-OpenSSH_9.2\r\n"] * 9
    with pytest.raises(RepositoryUnavailable):
        list(far_bucket.objects(""))


def test_each_body_is_signed(far_bucket: Bucket, cable: Cable, big: Path) -> None:
    """So that a storage that follows the protocol refuses what was changed on its way."""
    seen: dict[socket.socket, bytearray] = {}
    cable.watched = lambda one, piece: seen.setdefault(one, bytearray()).extend(piece)
    far_bucket.put(_BIG, big)
    far_bucket.create("backups/a/begun.json", b"{}")
    bodies = [body for said in seen.values() for body in _requests(bytes(said))]
    assert sum(len(body) for _, body in bodies) >= 36 * _MIB
    for digest, body in bodies:
        assert digest == hashlib.sha256(body).hexdigest()


def _requests(said: bytes) -> Iterator[tuple[str, bytes]]:
    """The digest and the body of each request of one connection."""
    while said:
        head, _, said = said.partition(b"\r\n\r\n")
        fields = dict(
            line.lower().split(": ", 1) for line in head.decode().splitlines()[1:] if line
        )
        length = int(fields.get("content-length", "0"))
        yield fields["x-amz-content-sha256"], said[:length]
        said = said[length:]


def test_a_bucket_that_is_not_there_is_named(storage: Storage) -> None:
    with pytest.raises(BucketMissing, match="no bucket for s3://nobody-has-this") as raised:
        list(open_bucket(storage.settings("nobody-has-this")).objects(""))
    assert raised.value.exit_code == 3


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[tuple[Storage, str]]:
    """A storage that looks at keys and rights, with a bucket."""
    server = Storage(tmp_path)
    name = server.new_bucket()
    yield server, name
    server.close()


def test_wrong_keys_and_missing_rights_are_told(strict: tuple[Storage, str]) -> None:
    storage, name = strict
    iam = storage.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    storage.require_credentials()
    keys: tuple[dict[str, Any], ...] = (
        {},
        {
            "backup_s3_access_key": key["AccessKeyId"],
            "backup_s3_secret_key": "wrong-and-never-shown",
        },
        {
            "backup_s3_access_key": key["AccessKeyId"],
            "backup_s3_secret_key": key["SecretAccessKey"],
        },
    )
    codes = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied")
    for options, code in zip(keys, codes, strict=True):
        bucket = open_bucket(storage.settings(name, **options))
        with pytest.raises(BucketRefused, match=code) as raised:
            bucket.write("backups/a/begun.json", b"{}")
        told = _told(raised.value)
        assert "AGENTPG_BACKUP_S3_SECRET_KEY" in told
        assert options.get("backup_s3_secret_key", SECRET_KEY) not in told


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path) -> Iterator[Storage]:
    """A storage whose certificate a private authority signed."""
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "server.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "server.key"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = Storage(tmp_path, certificate=tmp_path / "server.pem", key=tmp_path / "server.key")
    yield server
    server.close()


def test_a_private_authority_is_trusted_where_it_is_named(tls: Storage, tmp_path: Path) -> None:
    ca_file = str(tmp_path / "ca.pem")
    tls.client(verify=ca_file).create_bucket(Bucket="private")
    bucket = open_bucket(tls.settings("private", backup_s3_ca_file=ca_file))
    bucket.write("backups/a/begun.json", b"{}")
    assert bucket.read("backups/a/begun.json") == b"{}"

    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    for other in ("", str(tmp_path / "other.pem")):
        distrustful = open_bucket(tls.settings("private", backup_s3_ca_file=other))
        with pytest.raises(
            BucketUntrusted, match=r"is not trusted: .*certificate verify failed"
        ) as raised:
            distrustful.write("backups/a/begun.json", b"changed")
        assert "AGENTPG_BACKUP_S3_CA_FILE" in _told(raised.value)
    assert bucket.read("backups/a/begun.json") == b"{}"


@pytest.mark.parametrize("value", ["ftp://host/folder", "s3://", "s3:///prefix", "http://a:b@c/d"])
def test_what_is_no_repository_is_refused(value: str) -> None:
    with pytest.raises(RepositoryUnknown, match="can't be kept in") as raised:
        open_repository(load_settings(backup_repository=value))
    assert raised.value.exit_code == 2
    assert "a:b@" not in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {"backup_s3_endpoint": "localhost:9000"},
        {"backup_s3_endpoint": "https://me:s3cret@host"},
        {"backup_s3_endpoint": "https://host:port"},
        {"backup_s3_ca_file": "/nowhere/ca.pem"},
        {"backup_s3_access_key": ACCESS_KEY},
    ],
)
def test_settings_that_do_not_fit_are_refused(options: dict[str, object]) -> None:
    settings = load_settings(backup_repository="s3://bucket", **options)
    with pytest.raises(WrongValue, match="AGENTPG_BACKUP_S3_") as raised:
        open_repository(settings)
    assert "s3cret" not in _told(raised.value)


def test_no_key_at_all_is_told(
    storage: Storage, bucket_name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    settings = storage.settings(bucket_name, backup_s3_access_key="", backup_s3_secret_key="")
    with pytest.raises(BucketRefused, match="no access key is configured"):
        list(open_repository(settings).objects(""))


def test_the_keys_of_the_vendor_s_tools_are_used(
    storage: Storage, bucket_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    settings = storage.settings(bucket_name, backup_s3_access_key="", backup_s3_secret_key="")
    assert list(open_repository(settings).objects("")) == []


def test_the_log_holds_no_secret(
    storage: Storage, bucket_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = "a-token-that-nobody-may-see"
    bucket = open_bucket(storage.settings(bucket_name, backup_s3_token=token))
    bucket.write("backups/a/begun.json", b"{}")
    assert bucket.read("backups/a/begun.json") == b"{}"
    assert "urllib3" in caplog.text
    assert token not in caplog.text
    assert SECRET_KEY not in caplog.text
    assert token not in repr(bucket)


def test_what_cannot_be_removed_is_named(far_bucket: Bucket, cable: Cable) -> None:
    far_bucket.write("backups/a/backup.json", b"{}")
    cable.answers = [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nConnection: close\r\n"
        b"Content-Length: 123\r\n\r\n"
        b"<DeleteResult><Error><Key>backups/a/backup.json</Key><Code>AccessDenied</Code>"
        b"<Message>locked</Message></Error></DeleteResult>"
    ]
    cable.answers[0] = cable.answers[0].replace(
        b"123", str(len(cable.answers[0].partition(b"\r\n\r\n")[2])).encode()
    )
    cable.pull()
    cable.plug()
    with pytest.raises(RepositoryError, match=r"backup\.json: locked"):
        far_bucket.remove(["backups/a/backup.json"])
