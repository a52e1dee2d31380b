"""The server that recovers a data folder, for as long as that takes.

Nobody can connect to it: it has a socket in a private folder only, and refuses every login but
ours, while something is to be done in what it has recovered. It
reads a configuration of ours, since the source's may be elsewhere and name files and ports
that are not for it; what ALTER SYSTEM has set is in the data folder and holds.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from agentpg.db import Database, unaffected
from agentpg.desk.backup.recovery.unpacking import Place
from agentpg.embedded.binaries import Binaries, binaries_for
from agentpg.embedded.postmaster import clear_remains, stop_postmaster, wait_until_ready
from agentpg.errors import RecoveryFailed
from agentpg.language import N_

# There may be days of WAL to read; a server that ends by itself is noticed at once.
_PATIENCE = timedelta(days=7)
_STOPPING = timedelta(minutes=30)

# The folders of sockets are called so.
PRIVATE = "agentpg-recovery-"

_REJECT = "local all all reject\n"

# What the source has set must neither let a session hang nor run code that is not there, nor may
# names mean what the owner of a database has put before the server's own, or triggers fire.
_SESSION = (
    "-c search_path=pg_catalog -c session_replication_role=replica "
    "-c default_transaction_read_only=off -c synchronous_commit=local -c lock_timeout=1min "
    "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 "
    "-c session_preload_libraries= -c local_preload_libraries="
)

_OPTIONS = {
    "listen_addresses": "",
    "port": "5432",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "",
    "log_min_messages": "log",
    "lc_messages": "C",
    "archive_mode": "off",
    "ssl": "off",
    "shared_preload_libraries": "",
    "shared_buffers": "128MB",
    "primary_conninfo": "",
    "max_logical_replication_workers": "0",
}


def run_until_recovered(
    place: Place, binaries: Binaries, floors: Mapping[str, str], log: Path
) -> str:
    """Start it, wait until it has recovered or ended, and stop it; what it said.

    `floors` are settings of the source that must not be lower here. What it says is added to
    `log`. Raises RecoveryFailed where it does neither.
    """
    runnable = binaries_for(place.account, binaries)
    private = Path(tempfile.mkdtemp(prefix=PRIVATE))
    try:
        _configure(private, place, floors, _REJECT)
        said, pid = _start(place, runnable, private, log)
        try:
            if wait_until_ready(pid, place.folder, _PATIENCE) and not stop_postmaster(
                pid, "fast", _STOPPING
            ):
                raise RecoveryFailed(N_("it does not stop"), folder=place.folder, log=log)
        finally:
            # A server that ended has none; one that we leave in the middle must not go on.
            stop_postmaster(pid, "immediate", _STOPPING)
            clear_remains(place.folder)
        return log.read_bytes()[said:].decode(errors="replace")
    finally:
        shutil.rmtree(private, ignore_errors=True)


@contextmanager
def running_privately(
    place: Place, binaries: Binaries, floors: Mapping[str, str], superuser: str, log: Path
) -> Iterator[Database]:
    """A folder that has recovered, served to its superuser alone for as long as this lasts.

    Gives its database template1. Raises RecoveryFailed where it does not start or stop.
    """
    runnable = binaries_for(place.account, binaries)
    private = Path(tempfile.mkdtemp(prefix=PRIVATE))
    try:
        quoted = superuser.replace('"', '""')
        _configure(private, place, floors, f'local all "{quoted}" trust\n')
        _, pid = _start(place, runnable, private, log)
        try:
            if not wait_until_ready(pid, place.folder, _STOPPING):
                raise RecoveryFailed(N_("it does not start"), folder=place.folder, log=log)
            yield Database(
                unaffected(
                    host=str(private),
                    port=5432,
                    user=superuser,
                    dbname="template1",
                    options=_SESSION,
                )
            )
            if not stop_postmaster(pid, "fast", _STOPPING):
                raise RecoveryFailed(N_("it does not stop"), folder=place.folder, log=log)
        finally:
            stop_postmaster(pid, "immediate", _STOPPING)
            clear_remains(place.folder)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _configure(private: Path, place: Place, floors: Mapping[str, str], logins: str) -> None:
    lines = [f"{name} = '{value}'\n" for name, value in floors.items()]
    (private / "postgresql.conf").write_text("".join(lines), encoding="utf-8")
    (private / "pg_hba.conf").write_text(logins, encoding="utf-8")
    (private / "pg_ident.conf").write_text("", encoding="utf-8")
    place.account.own_tree(private)


def _start(place: Place, binaries: Binaries, private: Path, log: Path) -> tuple[int, int]:
    """How long the log was, and the server's process."""
    options = {
        **_OPTIONS,
        "unix_socket_directories": str(private),
        "hba_file": str(private / "pg_hba.conf"),
        "ident_file": str(private / "pg_ident.conf"),
    }
    given = [f"--{name}={value}" for name, value in options.items()]
    errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        before = os.fstat(errors).st_size
        with place.account.reach(place.folder) as (path, fds):
            config = f"--config-file={private}/postgresql.conf"
            command: list[str | Path] = [binaries.tool("postgres"), config]
            command += [f"--data-directory={path}", *given]
            return before, place.account.detach(command, errors, fds)
    finally:
        os.close(errors)
