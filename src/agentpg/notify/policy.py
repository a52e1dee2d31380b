"""Who is told of what, how soon and how often: the settings as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase

from agentpg.notify.condition import CONTACTS, LEVELS, Condition, at_least
from agentpg.settings import Settings

NOBODY = "nobody"

# Three returns within an hour: an alert that swings about its threshold.
_MOST_RETURNS = 3
_RETURN_WINDOW = timedelta(hours=1)
_STEADY_AFTER = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One of the two contacts, its language, and the ways to it: e-mail, webhook, apprise."""

    name: str
    language: str = "en"
    addresses: tuple[str, ...] = ()
    webhook: str = field(default="", repr=False)
    apprise: tuple[str, ...] = field(default=(), repr=False)

    @property
    def ways(self) -> tuple[str, ...]:
        """The names of those that are set."""
        there = {"email": self.addresses, "webhook": self.webhook, "apprise": self.apprise}
        return tuple(name for name, value in there.items() if value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Findings that match go to these contacts; none means that nobody is told."""

    pattern: str
    level: str
    contacts: tuple[str, ...]

    def takes(self, condition: Condition) -> bool:
        """Whether it is for this one: by code or room, from its level on."""
        named = fnmatchcase(condition.code, self.pattern) or condition.room == self.pattern
        return named and at_least(condition.level, self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything that a decision needs beside the alerts; see the settings for the meanings."""

    contacts: Mapping[str, Contact]
    routes: Sequence[Route] = ()
    level: str = "warning"
    looks: int = 2
    repeat_critical: timedelta = timedelta(hours=4)
    repeat_warning: timedelta = timedelta(hours=24)
    escalate_after: timedelta | None = timedelta(minutes=30)
    most_returns: int = _MOST_RETURNS
    return_window: timedelta = _RETURN_WINDOW
    steady_after: timedelta = _STEADY_AFTER

    def meant_for(self, condition: Condition) -> tuple[str, ...]:
        """Who is to be told of this: the first route that takes it, or else its own contact.

        What is for a contact with no way to it goes to the other one.
        """
        route = next((one for one in self.routes if one.takes(condition)), None)
        if route is None:
            if not at_least(condition.level, self.level):
                return ()
            wanted: tuple[str, ...] = (condition.contact,)
        else:
            wanted = route.contacts
        return tuple(dict.fromkeys(filter(None, map(self._reachable, wanted))))

    @property
    def least(self) -> str:
        """The lowest level that anybody may be told of."""
        return min((self.level, *(one.level for one in self.routes)), key=LEVELS.index)

    def leads(self, contact: str, way: str) -> bool:
        """Whether this way to the contact is set; one that was may be so no more."""
        return contact in self.contacts and way in self.contacts[contact].ways

    def others(self, told: Sequence[str]) -> tuple[str, ...]:
        """The contacts that have a way and were not told."""
        return tuple(name for name in CONTACTS if self._has_way(name) and name not in told)

    def repeat_after(self, level: str) -> timedelta:
        """How long after the last message the next one comes while nothing changes."""
        return self.repeat_critical if level == "critical" else self.repeat_warning

    def _reachable(self, name: str) -> str:
        """The contact, or the other one where there is no way to it."""
        if self._has_way(name):
            return name
        return next((one for one in CONTACTS if self._has_way(one)), "")

    def _has_way(self, name: str) -> bool:
        return name in self.contacts and bool(self.contacts[name].ways)


def policy_of(settings: Settings, language: str = "en") -> Policy:
    """The policy that the settings say; `language` is for contacts without one of their own."""
    return Policy(
        contacts={name: _contact(settings, name, language) for name in CONTACTS},
        routes=tuple(_route(one, settings.notify_level) for one in settings.notify_routes.split()),
        level=settings.notify_level,
        looks=settings.notify_looks,
        repeat_critical=settings.notify_again_critical,
        repeat_warning=settings.notify_again_warning,
        escalate_after=settings.notify_escalate_after,
    )


def _contact(settings: Settings, name: str, language: str) -> Contact:
    def said(what: str) -> str:
        return str(getattr(settings, f"notify_{name}_{what}"))

    return Contact(
        name=name,
        language=said("lang") or language,
        addresses=tuple(said("email").split()),
        webhook=said("webhook"),
        apprise=tuple(said("apprise").split()),
    )


def _route(text: str, least: str) -> Route:
    """One route, from the level `least` on unless it says another; the setting's kind has looked
    at its form."""
    matched, _, contacts = text.partition("=")
    pattern, _, level = matched.partition(":")
    names = () if contacts == NOBODY else tuple(contacts.split(","))
    return Route(pattern=pattern, level=level or least, contacts=names)
