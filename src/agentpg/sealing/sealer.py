"""Sealing what tasks carry, as the settings say, and opening it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from agentpg.errors import SealingKeyMissing, SealingKeysUnusable
from agentpg.language import N_
from agentpg.sealing.keys import Keyring, read_key_file, read_keys
from agentpg.sealing.rules import SealRules, read_rules
from agentpg.sealing.tokens import (
    MARK,
    Place,
    key_of_token,
    kind_of_token,
    open_token,
    seal_text,
)
from agentpg.settings import Settings, variable_of

_RULES_WITHOUT_KEY = N_("there are rules of what to seal, and no key to seal with")


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals by the first of `keys` what `rules` cover, and opens with all of them.

    `sealed_only` says that a plain payload that the rules cover is not to be run.
    """

    rules: SealRules
    keys: Keyring
    sealed_only: bool = False

    def covers(self, agent_name: str | None, task_type: str | None, column: str) -> bool:
        """Whether that column of such tasks is sealed."""
        return self.rules.covers(agent_name, task_type, column)

    def refuses_plain(self, agent_name: str | None, task_type: str | None) -> bool:
        """Whether a plain payload of such a task is not to be run."""
        return self.sealed_only and self.covers(agent_name, task_type, "payload")

    def json(self, place: Place, text: str) -> str:
        """The JSON text of the sealed form of a JSON text."""
        return f'{{"{MARK}": "{seal_text(self.keys.first, place, text)}"}}'

    def text(self, place: Place, text: str) -> str:
        """The sealed form of a text."""
        return f"{MARK}:{seal_text(self.keys.first, place, text)}"

    def payload(
        self, agent_name: str, task_type: str, task_id: UUID, text: str | None
    ) -> str | None:
        """A task's payload as it is stored; none at all is sealed as well."""
        if not self.covers(agent_name, task_type, "payload"):
            return text
        return self.json(Place.in_task("payload", task_id), "null" if text is None else text)

    def schedule_payload(self, agent_name: str, task_type: str, text: str | None) -> str | None:
        """A schedule's payload as it is stored, which its tasks get as it is."""
        if not self.covers(agent_name, task_type, "payload"):
            return text
        place = Place.in_schedule(agent_name, task_type)
        return self.json(place, "null" if text is None else text)


def open_in_task(
    keys: Keyring,
    token: str,
    column: str,
    task_id: UUID,
    agent_name: str | None,
    task_type: str | None,
) -> str:
    """What was sealed in a column of a task, or of the schedule that it came from.

    Raises SealingKeyMissing and SealBroken.
    """
    if not keys.keys:
        raise SealingKeyMissing(key=key_of_token(token))
    if column == "payload" and kind_of_token(token) == "s":
        place = Place.in_schedule(agent_name or "", task_type or "")
    else:
        place = Place.in_task(column, task_id)
    return open_token(keys, place, token)


def keyring_of(settings: Settings) -> Keyring:
    """The keys that the settings name; none where they name none. Raises SealingKeysUnusable."""
    if settings.seal_keys:
        return read_keys(settings.seal_keys.replace(",", " "), _variable("seal_keys"))
    if settings.seal_key_file:
        return read_key_file(Path(settings.seal_key_file).expanduser())
    return Keyring()


def sealer_of(settings: Settings) -> Sealer | None:
    """The sealer of these settings; None where they have neither keys nor rules.

    Raises SealingKeysUnusable.
    """
    if not (settings.seal or settings.seal_keys or settings.seal_key_file):
        return None
    keys, rules = keyring_of(settings), read_rules(settings.seal)
    if rules.rules and not keys.keys:
        raise SealingKeysUnusable(
            _RULES_WITHOUT_KEY,
            hint=N_("Make one with `agentpg security key create FILE`."),
            source=_variable("seal"),
        )
    return Sealer(rules, keys, settings.seal_only)


def _variable(option: str) -> str:
    return variable_of(option, Settings.model_fields[option])
