"""What can go wrong with base backups, archived WAL, and recovery to a moment."""

from __future__ import annotations

from agentpg.errors.backup import BackupError
from agentpg.errors.refused import Refused
from agentpg.errors.usage import UsageError
from agentpg.language import N_


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


class CopyDamaged(BackupError):
    """A file of a base backup is not what was written."""

    sentence = N_("the backup's file {path} is damaged: {reason}")
    hint = N_("Use another backup; `agentpg backup verify` says which ones are whole.")


class ArchivingFailed(BackupError):
    """The server does not get its WAL into the archive."""

    sentence = N_("the server does not archive its WAL: {reason}")
    hint = N_("Its log says what the archive command answered.")


class WalDiffers(BackupError):
    """The archive has another file of the same name."""

    sentence = N_("{path} is not what {place} has as {key}; it is not replaced")
    hint = N_(
        "Another server archives to the same place, or did: one that was copied from this one, for "
        "example. Give one of them another repository."
    )


class WalNotThere(BackupError):
    """A file of WAL that is to be archived can't be read."""

    sentence = N_("the WAL {path} cannot be read: {reason}")
    hint = N_("The server names it as the archive command is called, in its data folder.")


class RecoveryFailed(BackupError):
    """The server did not recover; the folder is left for a look at it."""

    sentence = N_("the recovery in {folder} failed: {reason}")
    hint = N_("The database that runs was not touched. The whole log is {log}.")


class TargetNotReached(RecoveryFailed):
    """There was less WAL than it seemed."""

    sentence = N_("the recovery ended before {target}, at {reached}")
    hint = N_(
        "The WAL ends there, or is damaged. The database that runs was not touched. The whole "
        "log is {log}."
    )


class RecoveryEnded(RecoveryFailed):
    """The server that recovers was ended by somebody else: it says nothing of why."""

    sentence = N_(
        "the server that recovers {folder} was ended from outside; it said last: {reason}"
    )


class RecoveryDiskFull(RecoveryFailed):
    """There was no room left in the middle of a recovery."""

    sentence = N_("the disk of {folder} became full during the recovery: {reason}")
    hint = N_("What had been recovered was removed; the database that runs was not touched.")


class UnfinishedNotSettled(RecoveryFailed):
    """The cluster has recovered, but its unfinished tasks were neither held nor ended."""

    sentence = N_("the unfinished tasks of the cluster in {folder} could not be held: {reason}")
    hint = N_(
        "It was not put in place, and no server is started on it. The log is {log}. With "
        "--unfinished keep they are left as they were."
    )


class MarkNotFound(BackupError):
    """There is no mark of this name."""

    sentence = N_("there is no mark {name} in {place}")
    hint = N_("`agentpg backup show` lists the marks that a backup can be recovered to.")


class MarkDamaged(BackupError):
    """What the repository says of a mark can't be read."""

    sentence = N_("the mark in {mark} cannot be read: {reason}")
    hint = N_("Its moment can still be reached by its time. Move the file away to see the others.")


class RecoveryRefused(BackupError):
    """A recovery that can't give what is asked for."""

    exit_code = Refused.exit_code


class RecoveryTooSmall(RecoveryRefused):
    """There is no room for the cluster."""

    sentence = N_("{folder} has {free} left, and the recovery takes about {needed}")
    hint = N_("Make room, or name a folder on a larger disk with --into. Nothing was changed.")


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


class TablespaceUnmapped(RecoveryRefused):
    """A folder outside the data folder, which the running cluster may be using."""

    sentence = N_("it is not said where the tablespace in {folder} goes")
    hint = N_("Say it with --tablespace {folder}=NEW-FOLDER.")


class TablespaceUnknown(RecoveryRefused):
    """It is said where a tablespace goes that the cluster has not."""

    sentence = N_("the backup has no tablespace in {folder}")
    hint = N_("Leave it out, or say the folder as the source had it. Nothing was changed.")


class FolderInTheWay(Refused):
    """A folder that is to be made is there already."""

    sentence = N_("there is a folder {folder} already")
    hint = N_("Name another one, or move it away. Nothing was changed.")


class HomesApart(Refused):
    """Two homes on different file systems, of which one can't be renamed to the other."""

    sentence = N_("{other} is on another file system than {present}, so they can't change places")
    hint = N_("Name a home on the same one with --into. Nothing was changed.")


class RecoveryNotEnded(Refused):
    """A home whose cluster was not recovered to the end: its tasks are not held yet."""

    sentence = N_("the recovery into {folder} has not ended, so that its tasks are not held")
    hint = N_(
        "Wait for the `agentpg backup recover` that works at it. If that was killed or failed, "
        "remove the folder and recover once more."
    )


class ServerStillRuns(Refused):
    """A server whose data folder is to change places runs."""

    sentence = N_("the server in {folder} still runs, process {pid}")
    hint = N_("Stop it with `agentpg --home {folder} server stop`. Nothing was changed.")


class ClusterInUse(Refused):
    """Others are connected to a server that is to be replaced."""

    sentence = N_("others are connected to the server: {sessions}")
    hint = N_("Stop the workers first, or say --force. Nothing was changed.")


class NoClusterThere(UsageError):
    """A home that has no cluster to change places with."""

    sentence = N_("there is no cluster in {folder}")
    hint = N_("Name the home that `agentpg backup recover` made. Nothing was changed.")


class NotABaseBackup(UsageError):
    """A backup of another kind can't be recovered to a later moment."""

    sentence = N_("{backup} is a backup of kind {kind}, and no base backup")
    hint = N_("`agentpg backup restore` restores it.")


class MarkNameWrong(UsageError):
    """A name that no mark can have."""

    sentence = N_("{name} can't be the name of a mark")
    hint = N_("Use up to 63 letters, digits and the signs _ . -; not the form of a backup's name.")


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


class HoldRefused(Refused):
    """Neither who makes backups nor the owner may keep writes back for an exact moment."""

    sentence = N_("{role} may not lock the tables of the database that {backup} backs up")
    hint = N_(
        "A base backup ends at a moment at which nobody writes. Give AGENTPG_DSN_ADMIN the owner "
        "of all its tables, who locks them for that moment, or AGENTPG_DSN_BACKUP a superuser."
    )


class ArchivingNotOurs(Refused):
    """The server archives its WAL elsewhere, or by another tool."""

    sentence = N_("the server archives its WAL elsewhere already: {owner}")
    hint = N_(
        "Keep that and make backups with its own tool, or say --force: from then on nothing gets "
        "there any more, and its backups can be recovered to moments before that only."
    )


class ArchiveNotHere(Refused):
    """The settings of the archive command can't be brought to the server."""

    sentence = N_("the server is not on this machine, and archives into {place} by settings there")
    hint = N_("Run `agentpg backup archive on` on the server's machine. Nothing was changed.")


class ArchiveCommandFails(Refused):
    """The server's account can't do what the archive command has to do."""

    sentence = N_("the server's account {account} cannot archive: {reason}")
    hint = N_(
        "That account has to be able to run {program}, with agentpg, and to reach the repository; "
        "--python names another Python. Nothing was changed."
    )


class OrdersUnusable(UsageError):
    """What says where WAL goes can't be read."""

    sentence = N_("cannot use the archiving orders in {path}: {reason}")
    hint = N_("`agentpg backup archive on` writes them.")


class OrdersIncomplete(OrdersUnusable):
    """They lack something."""

    sentence = N_("the archiving orders in {path} lack {key}")


class ArchiveOutOfReach(Refused):
    """The server's account can't write to the archive."""

    sentence = N_("the server's account {account} can't write to {folder}")
    hint = N_("Put the repository where that account gets to, and let it write below wal/ alone.")
