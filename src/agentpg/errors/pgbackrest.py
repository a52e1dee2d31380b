"""What can go wrong with pgBackRest."""

from __future__ import annotations

from agentpg.errors.backup import BackupError
from agentpg.errors.refused import Refused
from agentpg.errors.usage import UsageError
from agentpg.language import N_


class PgbackrestMissing(BackupError):
    """The program pgbackrest is not there."""

    sentence = N_("pgBackRest is not installed")
    hint = N_("Install it, for example with `apt-get install pgbackrest`, or use --kind base.")


class PgbackrestTooOld(BackupError):
    """This release of pgBackRest does not know the server's version."""

    sentence = N_(
        "pgBackRest {version} knows PostgreSQL up to {newest}, and the server has {major}"
    )
    hint = N_("Install a newer pgBackRest, or use --kind base.")


class PgbackrestOutOfReach(BackupError):
    """pgBackRest needs the server's files, its account and a folder; one is not to be had."""

    sentence = N_("pgBackRest cannot work from here: {reason}")
    hint = N_(
        "Run it on the server's machine, as root or as the account that runs the server, and "
        "with a repository that is a folder to which this account gets. Or use --kind base."
    )


class PgbackrestTypeUnknown(UsageError):
    """A type of backup that pgBackRest does not make."""

    sentence = N_("pgBackRest makes no backup of type {type}")
    hint = N_("Use full, diff or incr.")


class PgbackrestNotArchiving(Refused):
    """The server's WAL does not go to pgBackRest, without which its backups are of no use."""

    sentence = N_(
        "the server does not archive its WAL by pgBackRest: archive_mode is {mode}, and "
        "archive_command is {command}"
    )
    hint = N_(
        "Run `agentpg backup archive on --kind pgbackrest`, or set it as a superuser, and restart "
        "the server: {sql}"
    )


class PgbackrestNotSealed(Refused):
    """What pgBackRest keeps is not sealed by our key."""

    sentence = N_("backups of kind pgbackrest cannot be sealed")
    hint = N_("Use another kind, or a repository without a key.")


class PgbackrestBackupGone(BackupError):
    """pgBackRest has no longer what a record of ours refers to."""

    sentence = N_("pgBackRest has no backup {label}, which {name} is made of")
    hint = N_("Somebody else removed it. Take another backup.")


class PointNotReached(BackupError):
    """A recovery ended before the point that it should reach."""

    sentence = N_("the backup {name} was not recovered to its point {mark}: {reason}")
    hint = N_("Some of the WAL may be missing: look at `agentpg backup verify`.")
