"""What can go wrong when a backup is restored, for good or to be looked at."""

from __future__ import annotations

from agentpg.errors.backup import BackupError
from agentpg.errors.refused import Refused
from agentpg.language import N_


class ScratchError(BackupError):
    """The private server that a backup is restored into to be looked at."""


class ScratchTooSmall(ScratchError):
    """There is no room for it."""

    sentence = N_("{folder} has {free} bytes left, and a scratch restore takes up to {needed}")
    hint = N_("Make room, or give a folder on a larger disk.")
    exit_code = 6


class ScratchNotStarted(ScratchError):
    """It does not start."""

    sentence = N_("the scratch server in {folder} did not start: {reason}")
    hint = N_("Nothing was changed, and nothing of it is left.")
    exit_code = 6


class RestoreRefused(Refused):
    """A restore that would harm what is there, or can't succeed."""

    hint = N_("Nothing was changed.")
