"""Each command as the role that it says it works as, and what it says to one that may not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from agentpg.cli.command import Taught
from agentpg.cli.needed_roles import NEEDED
from agentpg.cli.root import root
from agentpg.db import Database, connect
from agentpg.desk.backup.proof.holding import exact_moment, holder_of
from agentpg.desk.security.roles.names import GROUPS, Part
from agentpg.errors import HoldRefused
from tests.cli.conftest import Call
from tests.desk.security.roles.conftest import all_names, remove_roles
from tests.servers import ROLES, SharedServer

# What is asked of each, so that it does something; what needs a task gets one.
ASKED: dict[str, tuple[str, ...]] = {
    "status": (),
    "config check": (),
    "schema show": (),
    "schema docs": (),
    "task submit": ("Greeter", "hello", "{}"),
    "task list": (),
    "task show": ("TASK",),
    "task wait": ("TASK", "--timeout", "10ms"),
    "task hold": ("TASK",),
    "task release": ("TASK",),
    "task cancel": ("TASK",),
    "task retry": ("TASK",),
    "agent list": (),
    "agent stats": (),
    "agent pause": ("Greeter",),
    "agent resume": ("Greeter",),
    "agent limit": ("Greeter", "--concurrency", "3"),
    "schedule add": ("morning", "0 7 * * *", "Greeter", "hello"),
    "schedule list": (),
    "schedule show": ("morning",),
    "schedule pause": ("morning",),
    "schedule resume": ("morning",),
    "schedule run": ("morning",),
    "schedule remove": ("morning",),
    "report": (),
    "retention show": (),
    "doctor connection": (),
    "doctor slow": (),
    "doctor server": (),
    "doctor tasks": (),
    "doctor vacuum": (),
    "doctor settings": (),
    "doctor indexes": (),
    "doctor notify": (),
    "doctor addresses": (),
    "doctor security": (),
    "tune explain": ("SELECT 1",),
    "tune vacuum": (),
    "tune settings": (),
    "security roles show": (),
    "security roles diff": (),
    "monitor activity": (),
    "monitor sizes": (),
    "notify list": (),
}

# Well, or with findings, or with something that only a superuser could look at.
_STATES = {0, 1, 5, 6}


def _commands(command: click.Command, path: str = "") -> Iterator[str]:
    context = click.Context(command)
    if not isinstance(command, click.Group):
        yield path
        return
    if command.invoke_without_command and path:
        yield path
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        if below is not None and not below.hidden:
            yield from _commands(below, f"{path} {name}".strip())


@pytest.mark.without_server
def test_every_command_says_as_which_role_it_works() -> None:
    assert isinstance(root, Taught)
    assert sorted(_commands(root)) == sorted(NEEDED)
    assert set(ASKED) <= set(NEEDED)


@pytest.fixture
def parted(shared_server: SharedServer) -> Iterator[Database]:
    """A database with the roles, each of which can log in."""
    with shared_server.database(parted=True) as database:
        yield database


def _roles_of(path: str) -> list[Part]:
    named = NEEDED[path].roles
    return [part for part in GROUPS if part in named] or ["readonly"]


def test_each_command_works_as_its_roles(parted: Database, call: Call) -> None:
    """None of them fails for a right that its role lacks."""
    failed: dict[str, str] = {}
    task = ""
    for path, arguments in ASKED.items():
        for part in _roles_of(path):
            dsn = parted.as_role(ROLES.login(part, 1)).dsn
            words = [task if one == "TASK" else one for one in arguments]
            done = call("--dsn", dsn, *path.split(), *words)
            if "may not do this" in done.err or done.code not in _STATES:
                failed[f"{path} as {part}"] = f"{done.code} {done.err}"
            if path == "task submit":
                task = done.out.strip()
    assert failed == {}


def test_what_a_role_may_not_says_as_which_it_works(parted: Database, call: Call) -> None:
    client = parted.as_role(ROLES.login("client", 1)).dsn
    done = call("--dsn", client, "agent", "pause", "Greeter")
    assert done.code == 4
    assert "hint: `agentpg agent pause` works as web;" in done.err


def test_a_backup_is_made_and_proved_as_the_backup_role(parted: Database, call: Call) -> None:
    dsn = parted.as_role(ROLES.login("backup", 1)).dsn
    assert call("--dsn", dsn, "backup", "create").code == 0
    assert call("--dsn", dsn, "backup", "list").code == 0
    drilled = call("--dsn", dsn, "backup", "drill", "--json")
    assert (drilled.code, json.loads(drilled.out)["outcome"]) == (0, "passed"), drilled.err


def test_who_copies_the_cluster_leaves_the_locks_to_the_owner(
    parted: Database, superuser_dsn: Callable[..., str]
) -> None:
    backup = parted.as_role(ROLES.login("backup", 1))
    with connect(Database(superuser_dsn(parted.name()))) as connection:
        mark = "GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO agentic_ai_backup"
        connection.execute(mark.encode())
    with pytest.raises(HoldRefused):
        holder_of(backup, None)
    with exact_moment(backup, "by-the-owner", holder=holder_of(backup, parted)) as named:
        assert named.lsn
        seen = named.connection.execute("SELECT current_user::text").fetchall()
    assert seen == [(ROLES.login("backup", 1),)]
    # What another server's owner locks holds nobody back here.
    with (
        pytest.raises(HoldRefused),
        exact_moment(backup, "elsewhere", holder=parted.renamed("template1")),
    ):
        pass


def test_roles_are_shown_compared_and_made(
    database: Database, call: Call, superuser_dsn: Callable[..., str], home: Path
) -> None:
    """The SQL comes first; with --yes it is run, the way back is told, logins get in."""
    dsn = superuser_dsn(database.name())
    before = call("--dsn", dsn, "security", "roles", "diff")
    assert (before.code, "NOLOGIN;" in before.out) == (1, True)
    asked = call("--dsn", dsn, "security", "roles", "apply")
    assert (asked.code, "nobody can be asked" in asked.err) == (2, True)
    script = call("--dsn", dsn, "security", "roles", "apply", "--logins", "agent", "--sql")
    login = f"{database.name()}_agent_1"
    assert f'CREATE ROLE "{login}" LOGIN;' in script.out
    assert f'\\password "{login}"' in script.out
    try:
        done = call("--dsn", dsn, "security", "roles", "apply", "--logins", "agent", "--yes")
        assert (done.code, done.err) == (0, "")
        assert "SCRAM-SHA-256$…" in done.out
        passfile = home / "roles.pgpass"
        assert passfile.stat().st_mode & 0o077 == 0
        as_agent = Database(f"{dsn} user={login} passfile={passfile}", database.schema)
        with connect(as_agent) as connection:
            connection.execute("SELECT FROM agentic_ai.tasks")
        after = call("--dsn", dsn, "security", "roles", "diff", "--json")
        assert (after.code, json.loads(after.out)) == (0, {"steps": [], "missing": []})
        shown = call("--dsn", dsn, "security", "roles", "show")
        row = next(line for line in shown.out.splitlines() if line.startswith("tasks"))
        assert row.split() == ["tasks", "ri*w*", "ri*", "r*", "r", "ri*w*", "r"]
        one = call("--dsn", dsn, "security", "roles", "show", "client")
        assert f"{login}" not in one.out
        assert "agent_name" in one.out
        again = call("--dsn", dsn, "security", "roles", "apply", "--yes")
        assert (again.code, again.out) == (0, "The roles and their rights are as they should be.\n")
    finally:
        remove_roles(Database(dsn), all_names(database))
