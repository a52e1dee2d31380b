"""The private server with a role for each part: made on a new one, used where it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpg.errors import DatabaseUnavailable, LoginRefused

if TYPE_CHECKING:
    from agentpg.cli.session import Session
    from agentpg.db import Database
    from agentpg.desk.security.roles.keeping import Keeping


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
    """The private server as the workers' role; None where there is none, or it is not ours to
    say. A server that does not answer is nothing that the role could help."""
    from agentpg.db import Database, configured, connect
    from agentpg.desk.security.roles.names import RoleNames
    from agentpg.embedded.folder import DATABASE, OWNER

    if configured(session.settings) is not None or not session.server.exists():
        return None
    login = RoleNames(DATABASE, OWNER).login("agent", 1)
    if not private_keeping(session).knows(login):
        return None
    found = Database(session.server.dsn(login), session.settings.schema_name)
    try:
        connect(found, "agentpg worker").close()
    except LoginRefused:
        # The cluster is another one than the file was written for.
        return None
    except DatabaseUnavailable:
        # As whom it does not answer makes no difference.
        pass
    return found


def private_keeping(session: Session) -> Keeping:
    """Where the private server's passwords are."""
    from agentpg.desk.security.roles.keeping import keeping_of_private_server

    return keeping_of_private_server(session.home / "pgpass", session.server.status().socket_dir)
