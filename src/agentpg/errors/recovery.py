"""What can go wrong with base backups, archived WAL, and recovery to a moment."""

from __future__ import annotations

from agentpg.errors.backup import BackupError
from agentpg.errors.refused import Refused
from agentpg.language import N_


class BaseBackupFailed(BackupError):
    """pg_basebackup, or one of the programs beside it, gave up."""

    sentence = N_("{program} failed: {reason}")
    hint = N_("No backup was made. The server's log may say more.")


class WritesNotHeld(BackupError):
    """Some transaction goes on writing, so that no exact moment could be named."""

    sentence = N_("writes could not be held within {attempts} attempts; in the way: {blockers}")
    hint = N_(
        "End the transactions that stay open, or make the backup when they are not. "
        "No backup was made."
    )


class WalDamaged(BackupError):
    """Archived WAL is not what was written."""

    sentence = N_("the archived WAL {key} is damaged: {reason}")
    hint = N_("Recovery is possible up to it. Make a new base backup now.")


class ArchivingFailed(BackupError):
    """The server does not get its WAL into the archive."""

    sentence = N_("the server does not archive its WAL: {reason}")
    hint = N_("Its log says what the archive command answered.")


class RecoveryFailed(BackupError):
    """The server did not recover; the folder is left for a look at it."""

    sentence = N_("the recovery in {folder} failed: {reason}")
    hint = N_("The database that runs was not touched. The whole log is {log}.")


class MarkNotFound(BackupError):
    """There is no mark of this name."""

    sentence = N_("there is no mark {name} in {place}")
    hint = N_("`agentpg backup show` lists the marks that a backup can be recovered to.")


class RecoveryRefused(BackupError):
    """A recovery that can't give what is asked for."""

    exit_code = Refused.exit_code


class WalMissing(RecoveryRefused):
    """Recovery would stop at a gap, or skip nothing and end too early."""

    sentence = N_("WAL is missing from the archive: {first} to {last}, {segments} in all")
    hint = N_("The backup can be recovered up to {latest}. Later needs a later backup.")


class TargetOutOfRange(RecoveryRefused):
    """The backup, with the WAL that there is, does not reach the target."""

    sentence = N_("the backup {backup} cannot be recovered to {target}")
    hint = N_("It can be recovered from {earliest} to {latest}; another backup may reach further.")


class TimelineUnclear(RecoveryRefused):
    """The target exists on more than one timeline."""

    sentence = N_("{target} is on the timelines {timelines}")
    hint = N_("Say which one is meant with --timeline.")


class MarkExists(Refused):
    """Recovery stops at the first mark of a name, so that a second one would never be reached."""

    sentence = N_("there is a mark {name} already, made at {made_at}")
    hint = N_("Choose another name.")


class ReplicationRefused(Refused):
    """The role may not do what a base backup needs."""

    sentence = N_("the role {role} may not make a base backup: {reason}")
    hint = N_(
        "Give AGENTPG_DSN_BACKUP a superuser, or a role that owns the tables and has the "
        "attribute REPLICATION and the right to execute pg_create_restore_point(text)."
    )


class ArchivingNotOurs(Refused):
    """The server archives its WAL in another way already."""

    sentence = N_("the server archives its WAL in another way already: {command}")
    hint = N_("Turn that off first, or keep it and make backups with its own tool.")


class ArchiveOutOfReach(Refused):
    """The server's account can't write to the archive."""

    sentence = N_("the server's account {account} can't write to {folder}")
    hint = N_("Put the repository where that account gets to, and let it write below wal/ alone.")
