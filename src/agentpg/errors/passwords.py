"""Passwords of roles, and moving from one login to another."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.errors.refused import Refused
from agentpg.errors.usage import UsageError
from agentpg.language import N_


class NoSuchRole(AgentpgError, LookupError):
    """The server has no such role."""

    sentence = N_("there is no role {role}")
    hint = N_("`agentpg security password age` lists those who log in.")


class PasswordWeak(Refused):
    """A password that is too easy to guess."""

    sentence = N_("this password is too easy to guess: {score} of 4")
    hint = N_(
        "`agentpg security password check` says why; --generate makes one; --accept-weak takes it "
        "all the same."
    )


class PasswordUnusable(UsageError):
    """What was given cannot be a password."""

    sentence = N_("this cannot be a password: {reason}")


class PairUnknown(UsageError):
    """No role of that name is a group with a pair of logins."""

    sentence = N_("{name} is no group, and no login of a pair")
    hint = N_(
        "Name a group such as {group}; its logins are {group}_1 and {group}_2. "
        "`agentpg security roles apply` makes the groups."
    )


class LoginInUse(Refused):
    """The login that is to get a new password is in use."""

    sentence = N_("{number} sessions are connected as {login}, which was to take over: {holders}")
    hint = N_(
        "A new password would keep these programs out. Let them connect by the service, or as the "
        "other login, first."
    )


class OldPasswordUnknown(Refused):
    """There would be no way back to the present login."""

    sentence = N_("the password of {login}, who is connected with now, is not known here")
    hint = N_("Without it nothing could be rolled back. Put a line for it into {path}.")


class RotationUnderWay(Refused):
    """An earlier rotation of the pair was not ended."""

    sentence = N_("a rotation of {group} was begun at {begun} and not ended; its last step: {step}")
    hint = N_(
        "`agentpg security password rotate {group} --resume` goes on, `--rollback` takes it back."
    )


class NoRotation(UsageError):
    """There is nothing to go on with."""

    sentence = N_("no rotation of {group} waits to be resumed or rolled back")


class RotationBusy(Refused):
    """Another process rotates the same pair."""

    sentence = N_("another process rotates {group} now")
    hint = N_("Wait until it has ended.")


class RotationNotProved(Refused):
    """The new login can't do what the old one can."""

    sentence = N_("{login} does not do what it shall: {reason}{more}")
    hint = N_(
        "Both logins work. Mend that and go on with --resume, or take all back with --rollback."
    )


class RotationHeldUp(AgentpgError):
    """Somebody stays connected as the old login."""

    sentence = N_("{number} sessions of {login} are still there: {holders}")
    hint = N_(
        "Both logins work; nothing is lost. Restart these programs or let them connect by the "
        "service {service}, then go on with --resume; --end-idle ends those that do nothing."
    )
