"""Keys: a file, public keys alone, or a passphrase; and never beside the backups."""

from __future__ import annotations

import os
import pty
import select
import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentpg.desk.backup.model import Backup, Source, StoredFile
from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.desk.backup.storage.keys import make_key_file, read_key_file, seal_for_opening, seal_of
from agentpg.desk.backup.storage.repository import KEY
from agentpg.desk.backup.storage.sealing import Seal
from agentpg.errors import (
    FileNotWritten,
    KeyBesideBackups,
    KeyMissing,
    KeyNotFitting,
    KeyThere,
    KeyUnusable,
    ObjectMissing,
    PassphraseWrong,
)
from agentpg.settings import Settings, load_settings

pytestmark = pytest.mark.without_server

with_age = pytest.mark.skipif(
    shutil.which("age") is None, reason="the program age is not installed"
)

NOW = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def repository(tmp_path: Path) -> Folder:
    return open_folder(tmp_path / "repository")


@pytest.fixture
def key_file(repository: Folder, tmp_path: Path) -> Path:
    path = tmp_path / "backup.key"
    make_key_file(path, repository, NOW)
    return path


def _backup(seal: Seal | None) -> Backup:
    files = (StoredFile(path=KEY, size_bytes=1, sha256=""),) if seal and seal.key_file else ()
    return Backup(
        name="20261128T020000Z-dump",
        kind="dump",
        source=Source(
            system_identifier="1", database="d", schema="s", server_version=180006, target="t"
        ),
        begun_at=NOW,
        taken_at=NOW,
        ended_at=NOW + timedelta(minutes=1),
        lsn="0/0",
        agentpg_version="1",
        tool_version="18",
        compression="none",
        recipients=seal.recipients if seal else (),
        files=files,
    )


def _store(repository: Folder, seal: Seal, tmp_path: Path) -> Backup:
    """A backup of one sealed file, with what is to lie beside it."""
    backup = _backup(seal)
    (tmp_path / "plain").write_text("content")
    seal.seal(tmp_path / "plain", tmp_path / "sealed")
    repository.put(f"backups/{backup.name}/data/1.age", tmp_path / "sealed")
    if seal.key_file:
        repository.write(f"backups/{backup.name}/{KEY}", seal.key_file)
    return backup


def _opened(repository: Folder, backup: Backup, settings: Settings, target: Path) -> str:
    seal = seal_for_opening(settings, repository, backup)
    assert seal is not None
    with repository.open(f"backups/{backup.name}/data/1.age") as stream:
        seal.unseal_to(stream, target)
    return target.read_text()


def test_a_key_file_is_its_owner_s_alone(key_file: Path) -> None:
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    lines = key_file.read_text().splitlines()
    assert lines[0] == "# created: 2026-11-28T02:00:00+00:00"
    assert lines[1].startswith("# public key: age1")
    assert lines[2].startswith("AGE-SECRET-KEY-1")


def test_a_key_is_never_written_over(key_file: Path, repository: Folder) -> None:
    before = key_file.read_text()
    with pytest.raises(KeyThere, match=r"backup\.key already"):
        make_key_file(key_file, repository, NOW)
    assert key_file.read_text() == before


def test_a_key_is_never_made_beside_backups(repository: Folder, tmp_path: Path) -> None:
    repository.write("drills/a/1.json", b"{}")
    with pytest.raises(KeyBesideBackups, match="inside the repository"):
        make_key_file(repository.root / "backup.key", repository, NOW)
    (tmp_path / "link").symlink_to(repository.root)
    with pytest.raises(KeyBesideBackups):
        make_key_file(tmp_path / "link" / "backup.key", repository, NOW)
    assert not (repository.root / "backup.key").exists()


def test_a_key_beside_backups_is_not_used(key_file: Path, repository: Folder) -> None:
    repository.write("drills/a/1.json", b"{}")
    beside = repository.root / "backup.key"
    shutil.copy(key_file, beside)
    settings = load_settings(backup_key_file=str(beside))
    with pytest.raises(KeyBesideBackups):
        seal_of(settings, repository)
    with pytest.raises(KeyBesideBackups):
        seal_for_opening(settings, repository, _backup(Seal(("age1",))))


def test_a_folder_that_is_not_there_is_told(repository: Folder, tmp_path: Path) -> None:
    with pytest.raises(FileNotWritten, match="No such file"):
        make_key_file(tmp_path / "nowhere" / "backup.key", repository, NOW)


def test_nothing_configured_is_no_seal(repository: Folder) -> None:
    assert seal_of(load_settings(), repository) is None
    assert seal_for_opening(load_settings(), repository, _backup(None)) is None


def test_a_key_file_seals_and_opens(key_file: Path, repository: Folder, tmp_path: Path) -> None:
    settings = load_settings(backup_key_file=str(key_file))
    seal = seal_of(settings, repository)
    assert seal is not None
    backup = _store(repository, seal, tmp_path)
    assert _opened(repository, backup, settings, tmp_path / "back") == "content"


def test_all_keys_of_a_file_are_sealed_for(
    key_file: Path, repository: Folder, tmp_path: Path
) -> None:
    """So that a key is changed by adding a line, and old backups stay readable."""
    make_key_file(tmp_path / "second", repository, NOW)
    both = tmp_path / "both"
    both.write_text(f"{key_file.read_text()}\n\n{(tmp_path / 'second').read_text()}")
    seal = seal_of(load_settings(backup_key_file=str(both)), repository)
    assert seal is not None
    assert len(seal.recipients) == 2
    backup = _store(repository, seal, tmp_path)
    for path in (key_file, tmp_path / "second"):
        settings = load_settings(backup_key_file=str(path))
        assert _opened(repository, backup, settings, tmp_path / f"back-{path.name}") == "content"


def test_public_keys_alone_seal_and_do_not_open(
    key_file: Path, repository: Folder, tmp_path: Path
) -> None:
    public = key_file.read_text().splitlines()[1].split()[-1]
    settings = load_settings(backup_recipients=f" {public}, {public}")
    seal = seal_of(settings, repository)
    assert seal is not None
    assert seal.recipients == (public,)
    assert not seal.secret_keys
    backup = _store(repository, seal, tmp_path)
    with pytest.raises(KeyMissing, match="no secret key is configured") as raised:
        seal_for_opening(settings, repository, backup)
    assert public in raised.value.advice()
    with_key = load_settings(backup_key_file=str(key_file))
    assert _opened(repository, backup, with_key, tmp_path / "back") == "content"


def test_another_key_does_not_open(key_file: Path, repository: Folder, tmp_path: Path) -> None:
    seal = seal_of(load_settings(backup_key_file=str(key_file)), repository)
    assert seal is not None
    backup = _store(repository, seal, tmp_path)
    make_key_file(tmp_path / "other", repository, NOW)
    with pytest.raises(KeyNotFitting):
        _opened(
            repository,
            backup,
            load_settings(backup_key_file=str(tmp_path / "other")),
            tmp_path / "back",
        )


def test_a_passphrase_opens_what_it_sealed(repository: Folder, tmp_path: Path) -> None:
    settings = load_settings(backup_passphrase=PASSPHRASE)
    seal = seal_of(settings, repository)
    assert seal is not None
    backup = _store(repository, seal, tmp_path)
    assert PASSPHRASE.encode() not in seal.key_file
    assert _opened(repository, backup, settings, tmp_path / "back") == "content"
    wrong = load_settings(backup_passphrase="another")
    with pytest.raises(PassphraseWrong, match=r"key\.age"):
        seal_for_opening(wrong, repository, backup)


def test_a_damaged_key_beside_a_backup_is_named(repository: Folder, tmp_path: Path) -> None:
    settings = load_settings(backup_passphrase=PASSPHRASE)
    seal = seal_of(settings, repository)
    assert seal is not None
    backup = _store(repository, seal, tmp_path)
    key = f"backups/{backup.name}/{KEY}"
    for place in (5, len(seal.key_file) - 1):
        repository.write(key, _flipped(seal.key_file, place))
        with pytest.raises(PassphraseWrong, match=r"key\.age"):
            seal_for_opening(settings, repository, backup)
    repository.remove([key])
    with pytest.raises(ObjectMissing, match=r"key\.age"):
        seal_for_opening(settings, repository, backup)


def test_a_key_with_one_flipped_bit_is_none(key_file: Path) -> None:
    content = key_file.read_bytes()
    for place in range(content.index(b"AGE-SECRET-KEY"), len(content) - 1):
        key_file.write_bytes(_flipped(content, place))
        with pytest.raises(KeyUnusable, match=r"backup\.key"):
            read_key_file(key_file)


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]


def test_every_backup_has_a_key_of_its_own(repository: Folder) -> None:
    settings = load_settings(backup_passphrase=PASSPHRASE)
    one, other = seal_of(settings, repository), seal_of(settings, repository)
    assert one is not None
    assert other is not None
    assert set(one.recipients).isdisjoint(other.recipients)


@with_age
def test_the_program_opens_with_the_passphrase(repository: Folder, tmp_path: Path) -> None:
    seal = seal_of(load_settings(backup_passphrase=PASSPHRASE), repository)
    assert seal is not None
    backup = _store(repository, seal, tmp_path)
    folder = repository.root / "backups" / backup.name
    back = tmp_path / "back"
    _age_with_terminal(
        ["age", "-d", "-i", str(folder / KEY), "-o", str(back), str(folder / "data/1.age")],
        PASSPHRASE,
    )
    assert back.read_text() == "content"


def _age_with_terminal(command: list[str], passphrase: str) -> None:
    """It asks for the passphrase on its terminal only."""
    terminal, theirs = pty.openpty()
    with subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command], stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        while b"passphrase" not in said and select.select([terminal], [], [], 60)[0]:
            said += os.read(terminal, 1024)
        os.write(terminal, passphrase.encode() + b"\n")
        assert process.wait(60) == 0, said
    os.close(terminal)


@with_age
def test_the_program_s_own_key_file_is_read(repository: Folder, tmp_path: Path) -> None:
    path = tmp_path / "key"
    subprocess.run(["age-keygen", "-o", path], check=True, capture_output=True)
    assert len(read_key_file(path)) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no line that begins"),
        ("# only a comment\n", "no line that begins"),
        ("-----BEGIN RSA PRIVATE KEY-----\n", "no age identity"),
        ("AGE-SECRET-KEY-1DAMAGED\n", "no age identity"),
    ],
)
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(KeyUnusable, match=reason) as raised:
        read_key_file(path)
    assert "DAMAGED" not in str(raised.value)


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KeyUnusable, match="not a text file"):
        read_key_file(tmp_path / "binary")
    with pytest.raises(KeyUnusable, match="No such file"):
        read_key_file(tmp_path / "nowhere")


def test_a_secret_key_among_the_public_ones_is_not_shown(
    key_file: Path, repository: Folder
) -> None:
    secret = key_file.read_text().splitlines()[2]
    with pytest.raises(KeyUnusable, match="no age recipient") as raised:
        seal_of(load_settings(backup_recipients=secret), repository)
    assert secret not in str(raised.value)
    assert secret not in repr(Seal(("age1",), (secret,)))
