"""Changing the server's settings, and taking changes back."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.errors.refused import PermissionDenied, Refused
from agentpg.errors.usage import UsageError
from agentpg.language import N_


class SettingNotProposed(UsageError):
    """A setting that is to be applied is none of the proposals."""

    sentence = N_("nothing is proposed for {name}")
    hint = N_("`agentpg tune settings` lists what is proposed, by name.")


class MachineTooSmall(UsageError):
    """The server's machine is said to have more than it has."""

    sentence = N_("the server's machine has {has}, and not {said}")
    hint = N_(
        "Leave it out to go by what is there; for a machine that you plan for say --planned, which "
        "shows and sets nothing."
    )


class SettingPinned(Refused):
    """A setting that ALTER SYSTEM does not change, since the server's start gives it."""

    sentence = N_("{name} can't be set by ALTER SYSTEM: {reason}")
    hint = N_("Change it there, and restart the server; nothing was changed.")


class UndoUnreadable(UsageError):
    """A file that is to be undone is none of ours, or was changed."""

    sentence = N_("{path} can't be undone: {reason}")
    hint = N_(
        "Name a file of the folder `undo`, with the command that its third line names; who has "
        "changed it by hand runs it by psql."
    )


class SettingsManaged(Refused):
    """The server's settings are not changed by SQL."""

    sentence = N_("the settings of {target} are managed elsewhere: {reason}")
    hint = N_("Change them where the server is managed; `agentpg tune settings` has the values.")


class SettingsNotAllowed(PermissionDenied):
    """The role may not change these settings."""

    sentence = N_("the role {role} may not change {names}")
    hint = N_("As a superuser: {grants}")


class UndoElsewhere(Refused):
    """A file to be undone that was written for another server or database."""

    sentence = N_("{path} was written for another server or database than {target}")
    hint = N_("Give the connection string of the one that it was written for.")


class SettingsNotApplied(AgentpgError):
    """The server refused a change; those before it were taken back."""

    sentence = N_("{name} was refused, and what was changed before it was taken back: {reason}")
    hint = N_("The file {undo} has what was there before.")
