"""Disks, and what a table takes on them."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.errors.refused import PermissionDenied, Refused
from agentpg.language import N_


class SlotActive(Refused):
    """A replication slot that is to be dropped has a reader."""

    sentence = N_("the slot {slot} is in use: process {process} reads from it")
    hint = N_("Stop its reader first; without it the slot can be dropped.")


class DataFolderUnknown(Refused):
    """The server's files are not to be seen from here."""

    sentence = N_("where the server keeps its data is not known here")
    hint = N_(
        "Run it on the server's machine as root or as the server's account, or name the folder "
        "with --data."
    )


class OtherCluster(Refused):
    """What would be changed is not the server that was looked at."""

    sentence = N_("{target} is not known to be the server that was looked at")
    hint = N_(
        "Let AGENTPG_DSN, AGENTPG_DSN_MONITOR and --data name the same server, and look again."
    )


class BallastTooLarge(Refused):
    """A ballast would take the room that it is to save."""

    sentence = N_("a ballast of {size} leaves less than {percent} % of {mount}, with {free} free")
    hint = N_("Choose a smaller one, or make room first: `agentpg doctor disk`.")


class BallastThere(Refused):
    """There is a ballast already, or something else of its name."""

    sentence = N_("{path} is there already")
    hint = N_("`agentpg doctor disk` shows a ballast of ours; move away what is none.")


class RewriteRefused(Refused):
    """A table that is not to be written anew now; nothing was changed."""


class RewriteTooLarge(RewriteRefused):
    """There is no room for a rewrite."""

    sentence = N_("writing {table} anew takes up to {needed}, and {mount} has {free} left")
    hint = N_(
        "Make room first: `agentpg doctor disk`. Without --full, new rows use the room that is "
        "free in the table."
    )


class RoomUnknown(RewriteRefused):
    """Nobody knows whether there is room for a rewrite."""

    sentence = N_("whether {place} has {needed} free for writing {table} anew is not known")
    hint = N_(
        "Run it on the server's machine as root or as the server's account; or say --assume-room "
        "if you have looked."
    )


class TableInUse(RewriteRefused):
    """Sessions use the table that a rewrite would lock."""

    sentence = N_("{sessions} sessions use {table}, and would wait until it is written anew")
    hint = N_("Stop the workers first, or say --while-in-use.")


class VacuumThroughPooler(Refused):
    """A vacuum needs a session of its own, and a pooler in between gives none."""

    sentence = N_("there is a pooler before the database at {target}, and it keeps no session")
    hint = N_("Set AGENTPG_DSN_ADMIN to the address of the server itself.")


class VacuumNotAllowed(PermissionDenied):
    """Only who owns a table, or may maintain it, vacuums it."""

    sentence = N_("the database role may not vacuum {table}")
    hint = N_("Set AGENTPG_DSN_ADMIN to the role that owns it.")


class SlotNotFound(AgentpgError, LookupError):
    """The server has no replication slot of this name."""

    sentence = N_("there is no replication slot {slot}")
    hint = N_("`agentpg doctor disk` names those that keep WAL.")


class TableLocked(AgentpgError):
    """A table was not to be had within the time; nothing was changed."""

    sentence = N_("{table} was in use for longer than {seconds} s: {reason}")
    hint = N_("Try again at a quieter time, or give --lock-timeout more.")
