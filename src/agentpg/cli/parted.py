"""The private server with a role for each part: made on a new one, used where it is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from agentpg.errors import DatabaseUnavailable, FileNotWritten, LoginRefused

if TYPE_CHECKING:
    from agentpg.cli.session import Session
    from agentpg.db import Database
    from agentpg.desk.security.roles.keeping import Keeping
    from agentpg.desk.security.roles.names import Part


def make_roles(session: Session) -> None:
    """Bring the private server's schema up to date, and make all roles and their logins."""
    from agentpg.db import Database
    from agentpg.desk.security.roles.applying import apply_roles, plan_roles
    from agentpg.desk.security.roles.names import PARTS
    from agentpg.embedded.folder import SUPERUSER
    from agentpg.schema import bring_up_to_date

    bring_up_to_date(session.database)
    superuser = Database(session.server.dsn(SUPERUSER), session.settings.schema_name)
    apply_roles(superuser, plan_roles(superuser, PARTS), private_keeping(session).make)


def is_unused(session: Session) -> bool:
    """Whether the private server has no schema yet; False where it does not say."""
    from agentpg.errors import AgentpgError
    from agentpg.schema import plan, released_migrations

    try:
        return len(plan(session.database)) == len(released_migrations())
    except AgentpgError:
        return False


def bring_parted_up_to_date(session: Session) -> None:
    """Migrate as the owner, and give the roles what a migration made. Raises what `migrate` and
    its like raise."""
    from agentpg.desk.security.roles.applying import regrant
    from agentpg.schema import bring_up_to_date

    bring_up_to_date(session.database)
    regrant(session.database)


def worker_database(session: Session) -> Database:
    """The database as the workers' own role where the private server has one with a password in
    its file; else as everybody else's."""
    return agent_database(session) or session.database


def agent_database(session: Session) -> Database | None:
    """The private server as the workers' role; None as for `part_database`."""
    return part_database(session, "agent")


def part_database(session: Session, part: Part) -> Database | None:
    """The private server as the role of a part; None where there is none, or it is not ours to
    say. A server that does not answer is nothing that the role could help.

    It is by the service of the pair, so that a rotation leads those who are connected on.
    """
    from agentpg.db import Database, configured

    if configured(session.settings) is not None or not session.server.exists():
        return None
    for dsn in _ways_in(session, part):
        found = Database(dsn, session.settings.schema_name)
        if _lets_in(found):
            return found
    return None


def _ways_in(session: Session, part: Part) -> Iterator[str]:
    """As the login that is in use, where the password files know it; then as the first one."""
    from agentpg.db import Database, by_service, make_conninfo
    from agentpg.desk.security.roles.names import RoleNames
    from agentpg.desk.security.rotation.places import lead_first, led_to
    from agentpg.desk.security.rotation.turn import Logins
    from agentpg.embedded.folder import DATABASE, OWNER
    from agentpg.settings import use_service_file

    names, logins = RoleNames(DATABASE, OWNER), Logins(session.home)
    group, first = names.group(part), names.login(part, 1)
    knows_first = private_keeping(session).knows(first)
    file = logins.service_file
    with suppress(FileNotWritten):  # of another account's home, or on a full disk
        if knows_first and not led_to(file, group):
            lead_first(file, Database(session.server.dsn(first)), group, first)
        led = led_to(file, group)
        if led in names.logins(part):
            dsn = session.server.dsn(led)
            known = make_conninfo(dsn, passfile=str(logins.password_file))
            yield by_service(dsn, group) if use_service_file(file) else known
    if knows_first:
        yield session.server.dsn(first)


def dsn_as(session: Session, role: str, database: str) -> str:
    """The private server's connection string as a role, with the password file that a rotation
    has left its password in. Raises NotStartedYet."""
    from agentpg.db import Database, make_conninfo
    from agentpg.desk.security.rotation.places import knows_login
    from agentpg.desk.security.rotation.turn import Logins

    said = session.server.dsn(role, database)
    file = Logins(session.home).password_file
    known = knows_login(file, Database(said))
    return make_conninfo(said, passfile=str(file)) if known else said


def _lets_in(database: Database) -> bool:
    from agentpg.db import connect

    try:
        connect(database, "agentpg worker").close()
    except LoginRefused:
        # The cluster is another one than the file was written for.
        return False
    except DatabaseUnavailable:
        # As whom it does not answer makes no difference.
        pass
    return True


def private_keeping(session: Session) -> Keeping:
    """Where the private server's passwords are."""
    from agentpg.desk.security.roles.keeping import keeping_of_private_server

    return keeping_of_private_server(session.home / "pgpass", session.server.status().socket_dir)
