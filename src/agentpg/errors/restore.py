"""What can go wrong when a backup is restored, for good or to be looked at."""

from __future__ import annotations

from agentpg.errors.backup import BackupError
from agentpg.errors.refused import Refused
from agentpg.errors.usage import UsageError
from agentpg.language import N_


class ScratchError(BackupError):
    """The private server that a backup is restored into to be looked at."""


class ScratchTooSmall(ScratchError):
    """There is no room for it."""

    sentence = N_("{folder} has {free} left, and a scratch restore takes up to {needed}")
    hint = N_("Make room, or give a folder on a larger disk.")
    exit_code = 6


class ScratchDiskFull(ScratchError):
    """Its disk became full in the middle of a restore."""

    sentence = N_("the disk of {folder} became full during the scratch restore: {reason}")
    hint = N_("Make room, or give a folder on a larger disk. Nothing of it is left.")
    exit_code = 6


class ScratchNotStarted(ScratchError):
    """It does not start."""

    sentence = N_("the scratch server in {folder} did not start: {reason}")
    hint = N_("Nothing was changed, and nothing of it is left.")
    exit_code = 6


class RestoreRefused(Refused):
    """A restore that would harm what is there, or can't succeed."""

    hint = N_("Nothing was changed.")


class RestoreKindUnknown(RestoreRefused):
    """A backup of a whole cluster does not go into a database."""

    sentence = N_("the backup {name} is of kind {kind}, which is not restored into a database")
    hint = N_("`agentpg backup recover` recovers a whole cluster into a new data folder.")


class RestoreTargetExists(RestoreRefused):
    """A database of the name is there."""

    sentence = N_("there is a database {database} already on {target}")
    hint = N_(
        "Give another name with --into, or say --replace to swap it with the restored one; the "
        "old one is kept."
    )


class RestoreTargetMissing(RestoreRefused):
    """What is to be replaced is not there."""

    sentence = N_("there is no database {database} on {target}")
    hint = N_("Leave --replace out to restore into a new database.")


class RestoreTargetInUse(RestoreRefused):
    """Somebody is connected to what is to be replaced."""

    sentence = N_("the database {database} is in use: {sessions}")
    hint = N_(
        "End these sessions, or say --end-connections to let the swap end them. Nothing was "
        "changed."
    )


class RestoreTargetPrepared(RestoreRefused):
    """What is to be replaced has transactions that were prepared and not ended."""

    sentence = N_("the database {database} has prepared transactions: {transactions}")
    hint = N_(
        "Commit them or roll them back: until then it can't get another name. Nothing was changed."
    )


class WorkersConnected(RestoreRefused):
    """Workers are connected to what is to be replaced."""

    sentence = N_("{number} workers are connected to the database {database}")
    hint = N_(
        "Stop them, or say --with-workers: they lose their connections in the moment of the swap "
        "and go on with the restored database. Nothing was changed."
    )


class RestoreTooSmall(RestoreRefused):
    """The server's disk has no room."""

    sentence = N_("the disk of {target} has {free} left, and the restore takes about {needed}")
    hint = N_("Make room first. Nothing was changed.")


class RestoreFailed(BackupError):
    """The database could not be filled."""

    sentence = N_("the backup {name} was not restored: {reason}")
    hint = N_("What had been restored was dropped, and nothing else was changed.")


class RestoreDiskFull(RestoreFailed):
    """A disk of the server became full meanwhile."""

    sentence = N_(
        "a disk of {target} became full after {done} of about {needed} were restored: {reason}"
    )
    hint = N_("What had been restored was dropped, and nothing else was changed. Make room first.")


class RestoreServerTooOld(RestoreRefused):
    """The server is of an older major version than the source."""

    sentence = N_("the backup is of PostgreSQL {source}, and {target} is PostgreSQL {found}")
    hint = N_("Restore into a server of version {source} or newer. Nothing was changed.")


class RolesMissing(RestoreRefused):
    """Roles that own something in the backup are not there."""

    sentence = N_("the server {target} lacks roles that the backup needs: {roles}")
    hint = N_("Create them, or say --create-roles. Nothing was changed.")


class TablespacesMissing(RestoreRefused):
    """Tablespaces that a plain file puts its tables into are not there."""

    sentence = N_("the server {target} lacks tablespaces that the file names: {tablespaces}")
    hint = N_(
        "Create them, or restore a backup of kind dump, which goes without. Nothing was changed."
    )


class NothingToUndo(RestoreRefused):
    """No database is kept that was replaced."""

    sentence = N_("no database is kept that {database} was restored over")
    hint = N_(
        "Only a restore with --replace can be undone, until `--forget-old` drops the old one."
    )


class RestoreNotRight(BackupError):
    """What was restored is not what the source held; it is kept apart."""

    sentence = N_("what was restored is not what the source held: {reason}")
    hint = N_(
        "It was dropped, and nothing else was changed. `agentpg backup drill` says all that "
        "differs; --no-verify restores without comparing."
    )


class SwapNotDone(BackupError):
    """Sessions kept coming, so that the databases could not be renamed."""

    sentence = N_("the databases were not swapped: {reason}")
    hint = N_("The old database is in its place. Stop what connects to it, and try again.")


class DatabaseNameUnusable(UsageError):
    """No backup is restored into a database of this name."""

    sentence = N_("{name} can't be the name of a database for a backup: {reason}")
    hint = N_("Give another one with --into. Nothing was changed.")


class ConditionWrong(UsageError):
    """The server does not take the condition by which rows are chosen."""

    sentence = N_("rows can't be chosen by {where}: {reason}")
    hint = N_("Give --where what stands behind WHERE in SQL. Nothing was changed.")


class TableNotInBackup(BackupError):
    """The backup has no such table."""

    sentence = N_("the backup {name} has no table {table}")
    hint = N_("Write it as schema.table; `agentpg backup list` shows other backups.")


class TableWithoutKey(RestoreRefused):
    """Its rows can't be told apart."""

    sentence = N_("the table {table} has no primary key that the backup has too")
    hint = N_(
        "Restore the backup into another database with --into, and copy what is needed. Nothing "
        "was changed."
    )


class DependentsNotMade(BackupError):
    """A dropped table is back, but not all that went with it."""

    sentence = N_("{number} things that went with the tables are not made again: {names}")
    hint = N_(
        "The tables and their rows are there. Put right what stands in the way, and run the SQL "
        "that was shown for each."
    )
