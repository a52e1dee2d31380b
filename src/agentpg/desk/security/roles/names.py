"""What the roles of an installation are called.

Groups hold the rights and cannot log in; each has two logins, so that a password is rotated
while the other one works. The owner is the group of those who migrate.

    agentic_ai_agent    <- agentic_ai_agent_1, agentic_ai_agent_2
    agentic_ai_client   <- agentic_ai_client_1, agentic_ai_client_2
    ...
    admin               <- admin_1, admin_2
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

Part = Literal["admin", "agent", "client", "monitor", "backup", "web", "readonly"]
PARTS: tuple[Part, ...] = get_args(Part)
# All but the owner, which is there before anybody is granted anything.
GROUPS: tuple[Part, ...] = PARTS[1:]
LOGIN_NUMBERS = (1, 2)

# A name has up to 63 bytes; `_readonly_2` is the longest that stands behind the prefix.
_LONGEST_PREFIX = 63 - len("_readonly_2")
_LONGEST_GROUP = _LONGEST_PREFIX + len("_readonly")
_HASH_DIGITS = 8


@dataclass(frozen=True, slots=True)
class RoleNames:
    """The names in one installation: `database` is its database, `owner` the owner of its schema.

    A long name of a database is cut, and told apart from others by a hash of the whole.
    """

    database: str
    owner: str = "admin"

    @property
    def prefix(self) -> str:
        """What the groups' names begin with."""
        return _cut(self.database, _LONGEST_PREFIX)

    def group(self, part: Part) -> str:
        """The role that holds the rights of a part."""
        return self.owner if part == "admin" else f"{self.prefix}_{part}"

    def groups(self) -> dict[Part, str]:
        """All parts with their role, the owner first."""
        return {part: self.group(part) for part in PARTS}

    def login(self, part: Part, number: int) -> str:
        """The first or second role that logs in for a part."""
        return login_of(self.group(part), number)

    def logins(self, part: Part) -> tuple[str, str]:
        """Both of them."""
        return self.login(part, 1), self.login(part, 2)

    def part_of(self, role: str) -> Part | None:
        """Which part a group or a login of ours has; None for other roles."""
        for part in PARTS:
            if role in (self.group(part), *self.logins(part)):
                return part
        return None


def login_of(group: str, number: int) -> str:
    """The first or second role that logs in for a group."""
    return f"{_cut(group, _LONGEST_GROUP)}_{number}"


def _cut(name: str, longest: int) -> str:
    raw = name.encode()
    if len(raw) <= longest:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:_HASH_DIGITS]
    return f"{raw[: longest - _HASH_DIGITS - 1].decode(errors='ignore')}_{digest}"
