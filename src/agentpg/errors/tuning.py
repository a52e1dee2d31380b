"""Changing the server's settings."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.errors.refused import PermissionDenied, Refused
from agentpg.errors.usage import UsageError
from agentpg.language import N_


class SettingNotProposed(UsageError):
    """A setting that is to be applied is none of the proposals."""

    sentence = N_("nothing is proposed for {name}")
    hint = N_("`agentpg tune settings` lists what is proposed, by name.")


class UndoUnreadable(UsageError):
    """A file that is to be undone is none of ours, or was changed."""

    sentence = N_("{path} can't be undone: {reason}")
    hint = N_("Name a file that `agentpg tune settings --apply` has written.")


class SettingsManaged(Refused):
    """The server's settings are not changed by SQL."""

    sentence = N_("the settings of {target} are managed elsewhere: {reason}")
    hint = N_("Change them where the server is managed; `agentpg tune settings` has the values.")


class SettingsNotAllowed(PermissionDenied):
    """The role may not change these settings."""

    sentence = N_("the role {role} may not change {names}")
    hint = N_("As a superuser: {grants}")


class UndoElsewhere(Refused):
    """A file to be undone that was written for another server."""

    sentence = N_("{path} was written for another server than {target}")
    hint = N_("Give the connection string of the server that it was written for.")


class SettingsNotApplied(AgentpgError):
    """The server refused a change; those before it were taken back."""

    sentence = N_("{name} was refused, and what was changed before it was taken back: {reason}")
    hint = N_("The file {undo} has what was there before.")
