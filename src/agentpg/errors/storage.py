"""What can go wrong with a bucket and with sealed backups."""

from __future__ import annotations

from agentpg.errors.backup import BackupError, RepositoryUnavailable
from agentpg.errors.failed import FileNotWritten
from agentpg.errors.refused import Refused
from agentpg.errors.usage import SettingError, UsageError
from agentpg.language import N_


class RepositoryUnknown(SettingError):
    """The setting names no place that backups can lie in."""

    sentence = N_("backups can't be kept in {value}: {reason}")
    hint = N_("Set AGENTPG_BACKUP_REPOSITORY to a folder, or to a bucket as s3://bucket/prefix.")


class ExtraMissing(UsageError):
    """What is asked for needs a package that is not installed."""

    sentence = N_("{what} needs a package that is not installed")
    hint = N_("Install it with `pip install 'agentpg[{extra}]'`.")


class BucketMissing(RepositoryUnavailable):
    """The storage answers, and has no such bucket."""

    sentence = N_("there is no bucket for {place}: {reason}")
    hint = N_("Make the bucket, or look at AGENTPG_BACKUP_REPOSITORY and at the endpoint.")


class BucketRefused(RepositoryUnavailable):
    """The storage answers, and does not let us in."""

    sentence = N_("the backup repository {place} refused the access: {reason}")
    hint = N_(
        "Check AGENTPG_BACKUP_S3_ACCESS_KEY, AGENTPG_BACKUP_S3_SECRET_KEY and "
        "AGENTPG_BACKUP_S3_REGION, and that the key may list, read, write and delete there."
    )


class BucketUntrusted(RepositoryUnavailable):
    """The storage shows a certificate that is not trusted."""

    sentence = N_("the certificate of the backup repository {place} is not trusted: {reason}")
    hint = N_(
        "Set AGENTPG_BACKUP_S3_CA_FILE to the certificate of the authority that signed it. "
        "Nothing was sent."
    )


class SealError(BackupError):
    """A backup could not be sealed, or not be opened."""


class SealDamaged(SealError):
    """What is sealed was changed or cut short."""

    sentence = N_("{file} is damaged or cut short: {reason}")
    hint = N_("Nothing of it may be used; take another backup.")


class KeyNotFitting(SealError):
    """No secret key at hand opens what is sealed."""

    sentence = N_("no key at hand opens {file}")
    hint = N_(
        "`agentpg backup show` names the public keys that it is sealed for; set "
        "AGENTPG_BACKUP_KEY_FILE to the file with one of their secret keys."
    )


class KeyMissing(SealError):
    """A sealed backup is to be opened, and no secret key is configured."""

    sentence = N_("the backup {name} is sealed, and no secret key is configured")
    hint = N_(
        "Set AGENTPG_BACKUP_KEY_FILE or AGENTPG_BACKUP_PASSPHRASE. It is sealed for: {recipients}"
    )
    exit_code = 6


class WalKeyMissing(KeyMissing):
    """Sealed WAL is to be opened, and no secret key is configured."""

    sentence = N_("the archived WAL in {place} is sealed, and no secret key is configured")
    hint = N_(
        "Set AGENTPG_BACKUP_KEY_FILE to the file with the secret key of one that it is sealed for, "
        "or AGENTPG_BACKUP_PASSPHRASE."
    )


class PassphraseWrong(SealError):
    """The passphrase does not open the backup's key."""

    sentence = N_("the passphrase does not open {file}")
    hint = N_("Set AGENTPG_BACKUP_PASSPHRASE to the one that was set when the backup was made.")


class KeyUnusable(UsageError):
    """A file or a setting holds no key that can be used."""

    sentence = N_("cannot use the key {source}: {reason}")
    hint = N_("`agentpg backup key FILE` makes a file with a new key.")


class KeyThere(FileNotWritten):
    """A key is never written over: what was sealed for it could not be opened again."""

    sentence = N_("there is a file {path} already")
    hint = N_("Name another file. No key was made.")


class KeyBesideBackups(Refused):
    """The key would lie beside what it is to protect."""

    sentence = N_("the key {path} lies inside the repository {place}")
    hint = N_("Keep the key elsewhere: who finds the backups must not find the key.")


class NotSealed(Refused):
    """A sealed backup was asked for, and nothing says for whom."""

    sentence = N_("the backup can't be sealed: no key, recipient or passphrase is configured")
    hint = N_(
        "Make a key with `agentpg backup key FILE` and set AGENTPG_BACKUP_KEY_FILE, or set "
        "AGENTPG_BACKUP_RECIPIENTS or AGENTPG_BACKUP_PASSPHRASE."
    )
