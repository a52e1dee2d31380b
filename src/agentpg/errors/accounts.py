"""Accounts, their passwords and tokens, and the audit log."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.errors.refused import Refused
from agentpg.errors.usage import UsageError
from agentpg.language import N_


class AccountNotFound(AgentpgError, LookupError):
    """No account has this name."""

    sentence = N_("there is no account {name!s}")
    hint = N_("`agentpg user list` shows all; `agentpg user add {name!s}` makes it one.")


class AccountExists(AgentpgError):
    """Another account has this name already."""

    sentence = N_("there is an account {name!s} already")
    hint = N_("`agentpg user show {name!s}` shows it.")


class AccountNameWrong(UsageError):
    """A name that no account can have."""

    sentence = N_("{name} cannot be the name of an account")
    hint = N_(
        "Names have up to 100 small letters, digits and . _ @ + -, and begin with a letter or "
        "a digit."
    )


class ScopesWrong(UsageError):
    """Scopes that there are not, or that the account's role may not have."""

    sentence = N_("a token of {name!s} cannot have the scope {scope!s}: {reason}")
    hint = N_("The role {role!s} may have: {possible}.")


class PasswordTooWeak(UsageError):
    """A password that was chosen is too easily guessed."""

    sentence = N_("the password is too weak: {reason}")
    hint = N_("Take four or more words that have nothing to do with each other, or --generate.")


class TokenNotFound(AgentpgError, LookupError):
    """An account has no token of this id or name that is in use."""

    sentence = N_("{name!s} has no token {token!s} in use")
    hint = N_("`agentpg user show {name!s}` lists its tokens.")


class AnchorWrong(UsageError):
    """What is to be a place in the audit log is none."""

    sentence = N_("{anchor} is no place in the audit log")
    hint = N_(
        "Give a number, a colon and 64 hexadecimal digits, as `agentpg security log verify` "
        "prints them."
    )


class LastAdmin(Refused):
    """Nobody would be left who may manage accounts."""

    sentence = N_("{name!s} is the last account with the role admin")
    hint = N_("Give the role to another account first. Nothing was changed.")
