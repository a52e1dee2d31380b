"""People who could not be told, and alerts that are not there."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.errors.usage import UsageError
from agentpg.language import N_


class NotTold(AgentpgError):
    """A message could not be handed over; `way` is email, webhook or apprise."""

    sentence = N_("the message to {contact} by {way} was not taken: {reason}")
    hint = N_("`agentpg notify test {contact}` tries it again; `agentpg config show` has its way.")


class NoWayToContact(UsageError):
    """A contact has neither e-mail, webhook nor apprise."""

    sentence = N_("there is no way to {contact}")
    hint = N_(
        "Set AGENTPG_NOTIFY_{variable}_EMAIL, AGENTPG_NOTIFY_{variable}_WEBHOOK or "
        "AGENTPG_NOTIFY_{variable}_APPRISE."
    )


class AlertNotFound(AgentpgError):
    """No alert that is open has this id or code."""

    sentence = N_("no open alert is {alert!s}")
    hint = N_("`agentpg notify list` shows those that are open.")


class SilenceNotFound(AgentpgError):
    """No silence in force has this id."""

    sentence = N_("no silence in force is {silence!s}")
    hint = N_("`agentpg notify list` shows those that are in force.")


class MatcherWrong(UsageError):
    """What a silence is to match is not NAME=PATTERN."""

    sentence = N_("{given} does not say what to silence")
    hint = N_("Write it as code=B01, room=backup, level=warning, contact=ops or subject=….")
