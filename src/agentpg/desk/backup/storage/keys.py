"""The keys of sealed backups: from a file, as public keys alone, or behind a passphrase.

A key file has age identities, one per line, as `age-keygen` writes it. A passphrase protects a
key that each backup has of its own and that lies beside it as `key.age`, so that the passphrase
is stretched once for a backup and not for each file. The program `age` takes both files:

    age --decrypt --identity key.age toc.dat.age > toc.dat
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.storage.repository import KEY, SEALED, WAL_KEY, Repository
from agentpg.desk.backup.storage.sealing import Seal, age_library
from agentpg.errors import (
    FileNotWritten,
    KeyBesideBackups,
    KeyMissing,
    KeyThere,
    KeyUnusable,
    PassphraseWrong,
    WalKeyMissing,
)
from agentpg.language import N_
from agentpg.settings import Settings

# So much of its public key tells one key of an archive from another.
_KEY_NAME = 12

_NO_KEY = N_("it has no line that begins with AGE-SECRET-KEY-1")
_NOT_A_KEY = N_("one of its lines is no age identity")
_NOT_TEXT = N_("it is not a text file")
_NOT_PUBLIC = N_("one of them is no age recipient, which begins with age1")


def seal_of(settings: Settings, repository: Repository) -> Seal | None:
    """The seal for a new backup; None where the settings name no key, recipient or passphrase.

    Raises KeyUnusable, KeyBesideBackups and ExtraMissing.
    """
    secret_keys = _configured_keys(settings, repository)
    recipients = [*(public_key(key) for key in secret_keys), *_recipients(settings)]
    key_file = b""
    if settings.backup_passphrase:
        own = str(age_library().x25519.Identity.generate())
        secret_keys.append(own)
        recipients.append(public_key(own))
        key_file = _locked(own, settings.backup_passphrase)
    if not recipients:
        return None
    return Seal(tuple(dict.fromkeys(recipients)), tuple(secret_keys), key_file)


def seal_for_opening(settings: Settings, repository: Repository, backup: Backup) -> Seal | None:
    """What opens a backup; None for one that is not sealed.

    Raises KeyMissing where no secret key is configured, PassphraseWrong, KeyUnusable,
    KeyBesideBackups, ExtraMissing and RepositoryError.
    """
    if not backup.recipients:
        return None
    keys = _configured_keys(settings, repository)
    if not _fits(keys, backup) and settings.backup_passphrase and _has_key_file(backup):
        key = f"backups/{backup.name}/{KEY}"
        keys += _unlocked(repository.read(key), settings.backup_passphrase, key)
    if not keys:
        raise KeyMissing(name=backup.name, recipients=", ".join(backup.recipients))
    return Seal(backup.recipients, tuple(keys))


def seals(settings: Settings) -> bool:
    """Whether the settings say that new backups are sealed."""
    return bool(
        settings.backup_key_file or settings.backup_recipients or settings.backup_passphrase
    )


def recipients_of_wal(settings: Settings, repository: Repository, system: str) -> tuple[str, ...]:
    """For whom a cluster's WAL is sealed: for whom backups are; nobody: it is not.

    A passphrase protects a key that lies in the archive, and is made where none is there that it
    opens. Raises what `seal_of` raises, and RepositoryError.
    """
    recipients = [*map(public_key, _configured_keys(settings, repository)), *_recipients(settings)]
    if settings.backup_passphrase:
        own = _keys_of_wal(settings, repository, system)
        recipients += [public_key(own[0]) if own else _make_key(settings, repository, system)]
    return tuple(dict.fromkeys(recipients))


def seal_for_opening_wal(settings: Settings, repository: Repository, system: str) -> Seal:
    """What opens a cluster's archived WAL.

    Raises WalKeyMissing where no secret key is configured, and what `seal_for_opening` raises.
    """
    keys = _configured_keys(settings, repository)
    if settings.backup_passphrase:
        keys += _keys_of_wal(settings, repository, system)
    if not keys:
        raise WalKeyMissing(place=repository.place)
    return Seal((), tuple(keys))


def make_key_file(path: Path, repository: Repository, moment: datetime) -> str:
    """Write a new key to a new file that only its owner can read; the public key.

    Raises KeyThere, KeyBesideBackups, FileNotWritten and ExtraMissing.
    """
    _check_apart(path, repository)
    identity = age_library().x25519.Identity.generate()
    public = str(identity.to_public())
    made = moment.isoformat(timespec="seconds")
    text = f"# created: {made}\n# public key: {public}\n{identity}\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise KeyThere(path=path) from None
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from error
    return public


def read_key_file(path: Path) -> list[str]:
    """The secret keys in a file. Raises KeyUnusable."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise KeyUnusable(error.strerror or str(error), source=path) from None
    except UnicodeDecodeError:
        raise KeyUnusable(_NOT_TEXT, source=path) from None
    return _keys_in(text, str(path))


def public_key(secret_key: str) -> str:
    """The public key of a secret one."""
    return str(age_library().x25519.Identity.from_str(secret_key).to_public())


def _configured_keys(settings: Settings, repository: Repository) -> list[str]:
    if not settings.backup_key_file:
        return []
    path = Path(settings.backup_key_file).expanduser()
    _check_apart(path, repository)
    return read_key_file(path)


def _recipients(settings: Settings) -> list[str]:
    found = settings.backup_recipients.replace(",", " ").split()
    for one in found:
        age = age_library()
        try:
            age.x25519.Recipient.from_str(one)
        except age.RecipientError:
            # It is not shown: it may be a secret key, by mistake.
            raise KeyUnusable(_NOT_PUBLIC, source="AGENTPG_BACKUP_RECIPIENTS") from None
    return found


def _keys_in(text: str, source: str) -> list[str]:
    """Lines with keys, among comments and empty ones."""
    age, found = age_library(), []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        try:
            found.append(str(age.x25519.Identity.from_str(line.strip())))
        except age.IdentityError:
            raise KeyUnusable(_NOT_A_KEY, source=source) from None
    if not found:
        raise KeyUnusable(_NO_KEY, source=source)
    return found


def _fits(keys: list[str], backup: Backup) -> bool:
    return any(public_key(key) in backup.recipients for key in keys)


def _has_key_file(backup: Backup) -> bool:
    return any(file.path == KEY for file in backup.files)


def _unlocked(content: bytes, passphrase: str, key: str) -> list[str]:
    age = age_library()
    try:
        text = age.passphrase.decrypt(content, passphrase)
    except age.DecryptError:
        raise PassphraseWrong(file=key) from None
    return _keys_in(text.decode(), key)


def _keys_of_wal(settings: Settings, repository: Repository, system: str) -> list[str]:
    """The keys in a cluster's archive that the passphrase opens; the others had another one."""
    found: list[str] = []
    for stored in list(repository.objects(f"wal/{system}/{WAL_KEY}")):
        with suppress(PassphraseWrong):
            content = repository.read(stored.key)
            found += _unlocked(content, settings.backup_passphrase, stored.key)
    return found


def _make_key(settings: Settings, repository: Repository, system: str) -> str:
    """Put a new key, under the passphrase, into a cluster's archive; the public key."""
    own = str(age_library().x25519.Identity.generate())
    public = public_key(own)
    repository.write(
        f"wal/{system}/{WAL_KEY}{public[-_KEY_NAME:]}{SEALED}",
        _locked(own, settings.backup_passphrase),
    )
    return public


def _locked(secret_key: str, passphrase: str) -> bytes:
    text = f"# public key: {public_key(secret_key)}\n{secret_key}\n"
    locked: bytes = age_library().passphrase.encrypt(text.encode(), passphrase)
    return locked


def _check_apart(path: Path, repository: Repository) -> None:
    """Whoever gets hold of the repository must not get the key with it."""
    inside = repository.folder("backups")
    root = inside.parent.resolve() if inside else None
    if root and path.resolve().is_relative_to(root):
        raise KeyBesideBackups(path=path, place=repository.place)
