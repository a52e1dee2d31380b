"""The account that the private server runs as, and how programs are run as it.

A normal user's server runs as that user. PostgreSQL refuses to run as root, so root's
runs as somebody else; `choose_account` says who and why.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[str | Path]

# Between the numbers that useradd gives out and those of systemd's dynamic users.
_UNUSED_UIDS = range(60_578, 61_184)

# Programs get nothing of the caller's environment: PGDATA, PGPORT or a foreign locale
# would change what they do, and the messages are read in English.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group by number; `switched` if it is not the caller's own."""

    uid: int
    gid: int
    switched: bool

    def run(
        self, command: Command, text: str = "", fds: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this account with `text` as its input, and wait for it."""
        return subprocess.run(
            [str(part) for part in command],
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=_ENVIRONMENT,
            pass_fds=fds,
            cwd="/",
            user=self.uid if self.switched else None,
            group=self.gid if self.switched else None,
            extra_groups=[] if self.switched else None,
        )

    def detach(self, command: Command, errors: int, fds: Sequence[int] = ()) -> int:
        """Start a program as this account in a session of its own; its process id.

        The shell between hands it to init, so that it outlives the caller and is no
        zombie when it ends first.
        """
        launched = subprocess.run(
            ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            check=True,
            env=_ENVIRONMENT,
            pass_fds=fds,
            cwd="/",
            start_new_session=True,
            user=self.uid if self.switched else None,
            group=self.gid if self.switched else None,
            extra_groups=[] if self.switched else None,
        )
        return int(launched.stdout)

    def own(self, path: Path) -> None:
        """Give the account one file or folder."""
        if self.switched:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_tree(self, folder: Path) -> None:
        """Give the account a folder with all that is in it."""
        self.own(folder)
        for place, folders, files in os.walk(folder):
            for name in (*folders, *files):
                self.own(Path(place, name))

    def can_run(self, program: Path) -> bool:
        """Whether the account gets to the program by its path and may run it."""
        return not self.switched or self.run(["test", "-x", program]).returncode == 0

    def can_enter(self, folder: Path) -> bool:
        """Whether the account gets to the folder by its path."""
        return self.can_run(folder)

    @contextmanager
    def reach(self, folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
        """A path by which the account reaches the folder, and descriptors to pass for it.

        A folder below one that is closed to the account, such as /root, is reached
        through a descriptor that root opened: no permission of any folder changes.
        """
        if self.can_enter(folder):
            yield str(folder), ()
            return
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}", (descriptor,)
        finally:
            os.close(descriptor)


def choose_account(data: Path) -> Account:
    """Who runs the server whose data folder this is, or will be.

    A normal user: that user. Root: the owner of the folder, so that the choice is made
    once; for a new folder the account `postgres` where it exists, or else a number that
    no account has. The other ways are worse: `nobody` is shared with unrelated services,
    which could then read the data; an account made by useradd is a lasting change of the
    machine that nobody asked for; in a user namespace the server would be root on disk.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switched=False)
    if data.is_dir() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid, switched=True)
    named = _named("postgres")
    if named is not None:
        return named
    number = next(uid for uid in _UNUSED_UIDS if not _has_name(uid))
    return Account(number, number, switched=True)


def account_for_making(account: Account) -> Account:
    """Who makes the data folder: initdb wants an account with a name, and a nameless one
    lends that of `nobody` for this moment."""
    if not account.switched or _has_name(account.uid):
        return account
    return _named("nobody") or account


def _named(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid, switched=True)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
