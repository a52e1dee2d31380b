"""What a recovered cluster must not go on with, stopped before anybody can connect to it.

Its unfinished tasks, and its subscriptions: those would connect to their publishers and take, from
the same slots, the changes that are for the cluster that it came from. The server that does
this takes none itself (`max_logical_replication_workers` is 0).

All is done as a superuser in databases that belong to others: each session finds nothing but the
server's own names, reads the server's own catalogue, and changes rows only where no code of others
gets a superuser's rights (`restore/confined.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agentpg.db import Database, Statements, connect, driver_errors
from agentpg.desk.backup.restore.unfinished import Unfinished, settle_unfinished

_SQL = Statements("restore", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How many tasks had not ended, None where they are kept; the subscriptions that were on.

    A subscription is named with its database: `DATABASE.SUBSCRIPTION`.
    """

    unfinished: int | None
    subscriptions: tuple[str, ...]


def settle_cluster(server: Database, reason: str, choice: Unfinished) -> Settled:
    """Disable every subscription of a cluster, and settle the tasks of every installation.

    `server` is one of its databases, as a superuser who finds only the server's own names. What
    the cluster has in databases that nobody can connect to, is not reached.
    """
    with (
        driver_errors(server.target()),
        connect(server, "agentpg backup recover") as connection,
    ):
        names = [str(name) for (name,) in connection.execute(_SQL["open_databases"])]
    databases = [server.renamed(name) for name in names]
    disabled = tuple(name for database in databases for name in _disable(database))
    if choice == "keep":
        return Settled(unfinished=None, subscriptions=disabled)
    number = sum(
        settle_unfinished(installation, reason, choice)
        for database in databases
        for installation in _installations(database)
    )
    return Settled(unfinished=number, subscriptions=disabled)


def _disable(database: Database) -> Iterator[str]:
    with (
        driver_errors(database.target()),
        connect(database, "agentpg backup recover") as connection,
    ):
        for (name,) in connection.execute(_SQL["subscriptions_on"]).fetchall():
            connection.execute(_SQL.compose("disable_subscription", subscription=name))
            yield f"{database.name()}.{name}"


def _installations(database: Database) -> list[Database]:
    with (
        driver_errors(database.target()),
        connect(database, "agentpg backup recover") as connection,
    ):
        rows = connection.execute(_SQL["installations"]).fetchall()
    return [Database(database.dsn, str(schema)) for (schema,) in rows]
