"""How faults of an installation are made, and taken back."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress

import psycopg

from agentpg.embedded.account import choose_account
from agentpg.embedded.binaries import binaries_for, find_binaries
from tests.faults.fault import Patient
from tests.faults.installation import Installation
from tests.servers import PG_BIN
from tests.waiting import eventually

Make = Callable[[Installation], AbstractContextManager[Patient]]


def sql(*done: str, undone: tuple[str, ...] = ()) -> Make:
    """What SQL makes and takes back."""

    @contextmanager
    def make(here: Installation) -> Iterator[Patient]:
        here.run(*done)
        try:
            yield here.as_it_is()
        finally:
            here.run(*undone)

    return make


def set_to(name: str, value: str) -> Make:
    """A setting of the server that somebody has changed."""

    @contextmanager
    def make(here: Installation) -> Iterator[Patient]:
        here.run(f"ALTER SYSTEM SET {name} = {value}", "SELECT pg_reload_conf()")
        eventually(lambda: here.ask(f"SHOW {name}") == [(value,)])
        try:
            yield here.as_it_is()
        finally:
            here.run(f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")
            eventually(lambda: here.ask(f"SHOW {name}") != [(value,)])

    return make


def line(file: str, line: str) -> Make:
    """A line that somebody has added to a file of the server."""

    @contextmanager
    def make(here: Installation) -> Iterator[Patient]:
        path = here.server.status().data / file
        before = path.read_text(encoding="utf-8")
        path.write_text(f"{before}{line}\n", encoding="utf-8")
        try:
            yield here.as_it_is()
        finally:
            path.write_text(before, encoding="utf-8")

    return make


@contextmanager
def session(here: Installation, name: str, *statements: str) -> Iterator[None]:
    """A session that runs these, one after another, and stays where it is."""
    dsn = here.server.dsn("postgres")
    with closing(psycopg.connect(dsn, application_name=name, autocommit=True)) as connection:

        def run() -> None:
            with suppress(psycopg.Error):
                for statement in statements:
                    connection.execute(statement.encode())

        thread = threading.Thread(target=run)
        thread.start()
        wait_for(here, name, statements[-1])
        yield
        end(here, name)
        thread.join()


def wait_for(here: Installation, name: str, statement: str) -> None:
    """Until the sessions of this name run the statement, or have run it, and wait."""
    last = statement.replace("'", "''")
    at_it = f"SELECT 1 FROM pg_stat_activity WHERE application_name = '{name}'"
    eventually(lambda: here.ask(f"{at_it} AND query = '{last}'") != [])
    eventually(lambda: here.ask(f"{at_it} AND (wait_event IS NOT NULL)") != [])


def end(here: Installation, name: str) -> None:
    """End the sessions of this name."""
    here.run(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"
    )


def restart(here: Installation, **settings: str) -> None:
    """Start the server anew, with these settings."""
    here.run(*(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items()))
    here.server.stop()
    here.server.start()


def start_after(here: Installation, *as_root: str, within: tuple[str, ...] = ()) -> None:
    """Start the server, which is stopped, by way of other programs: of root, and of its account."""
    data = here.server.status().data
    account = choose_account(data)
    program = binaries_for(account, find_binaries(PG_BIN)).tool("postgres")
    as_account = ("setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups")
    subprocess.Popen(
        [*as_root, *as_account, *within, program, "-D", data],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    eventually(lambda: is_up(here), message="the server is up")


def is_up(here: Installation) -> bool:
    """Whether it takes connections."""
    with suppress(psycopg.Error):
        psycopg.connect(here.server.dsn("postgres")).close()
        return True
    return False
