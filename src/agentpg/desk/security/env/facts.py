"""What is looked at beside the server: where secrets stand, never what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agentpg.desk.check import Unlooked


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFile:
    """A file in which secrets stand; `kind` says of which sort: .env, password file, service
    file, key. `secrets` are the names of what it holds, such as AGENTPG_DSN."""

    path: str
    kind: str
    mode: int
    owner: str
    own: bool
    changed_at: datetime
    secrets: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The git repository around the folder: which files of secrets it tracks, has ever had, or
    would take with the next `git add`; and tracked lines that hold one."""

    folder: str
    tracked: Sequence[str]
    ever: Sequence[str] | Unlooked
    not_ignored: Sequence[str]
    lines: Sequence[str] | Unlooked


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretProcess:
    """A process that was started with a secret where others see it: in its `arguments`, or, for
    its own account alone, in a `variable` of its `environment`."""

    number: int
    program: str
    account: str
    where: str
    variable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connecting:
    """A connection string of the settings that holds a password, and where it was set."""

    setting: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSecrets:
    """How many lines of a file of the server's log hold a password, and the first of them."""

    path: str
    lines: int
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A line of some commit that holds a secret: where, in which commit first, of which kind."""

    path: str
    line: int
    commit: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was found in all that was ever committed: so many `contents` were read, each once.

    It is not `whole` where the time for it was over before.
    """

    found: Sequence[Committed]
    contents: int
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSecret:
    """A line of a unit of systemd that holds a secret, which every account may read."""

    path: str
    line: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordLines:
    """A password file: lines that libpq does not read as they are meant, and those that give a
    password to every server that asks."""

    path: str
    wrong: Sequence[int]
    for_all: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it. `repository` is None where the folder is in none, `logs` where there is no server
    of ours, and `history` where it was not to be searched."""

    folder: str
    now: datetime
    files: Sequence[SecretFile]
    repository: Repository | Unlooked | None
    processes: Sequence[SecretProcess] | Unlooked
    connecting: Sequence[Connecting]
    logs: Sequence[LoggedSecrets] | Unlooked | None
    units: Sequence[UnitSecret] | Unlooked = ()
    password_lines: Sequence[PasswordLines] = ()
    history: History | Unlooked | None = None
