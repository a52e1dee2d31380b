"""What is sealed in the database, its keys, and what is hidden in logs."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.errors.refused import Refused
from agentpg.errors.usage import InvalidTask, UsageError
from agentpg.language import N_


class SealingKeysUnusable(UsageError):
    """The keys of what is sealed cannot be used; `source` is a file or a setting."""

    sentence = N_("cannot use the keys in {source}: {reason}")
    hint = N_("`agentpg security key create FILE` makes a file of keys.")


class SealingKeyUnknown(UsageError):
    """A key is named that is not there."""

    sentence = N_("there is no key {key} in {source}")
    hint = N_("`agentpg security key show` lists those that there are.")


class RedactionWrong(UsageError):
    """What is to be hidden in logs and errors cannot be read; `source` says where it stands."""

    sentence = N_("cannot use the expression in {source}: {reason}")
    hint = N_("Each line of the file is a regular expression of Python; # begins a comment.")


class FieldSealed(InvalidTask):
    """A limit counts by a field of the payload, and the payload is sealed."""

    sentence = N_(
        "no limit of {tasks} can count by {key}: the payload is sealed, and the database cannot "
        "read its fields"
    )
    hint = N_("Count by tenant, which is never sealed, or leave the payload out of AGENTPG_SEAL.")


class SealingKeyThere(Refused):
    """A file of keys is to be made where there is something already."""

    sentence = N_("there is something at {path} already; no key is written over")
    hint = N_("Give another name, or add a key with `agentpg security key rotate`.")


class SealingKeyInUse(Refused):
    """A key is to be dropped with which something is still sealed."""

    sentence = N_("the key {key} is not dropped: {reason}")
    hint = N_("`agentpg security key reseal` seals what is left with the first key.")


class SealingKeyMissing(AgentpgError):
    """Something was sealed with a key that is not here."""

    sentence = N_("it is sealed with the key {key}, which is not here")
    hint = N_("Set AGENTPG_SEAL_KEY_FILE to the file that has it.")


class SealBroken(AgentpgError):
    """A sealed value was changed, or belongs to another column or task."""

    sentence = N_("the sealed {column} was changed, or was sealed for another task")
