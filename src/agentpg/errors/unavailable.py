"""The server cannot be reached, or not now: exit code 3."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.language import N_


class DatabaseUnavailable(AgentpgError):
    """The server cannot be reached, or not now."""

    sentence = N_("cannot reach the database at {target}: {reason}")
    hint = N_("`agentpg doctor connection` says what stops, and what to do about it.")
    exit_code = 3


class ServerStarting(DatabaseUnavailable):
    """The server is starting up or shutting down."""

    sentence = N_("the database at {target} is starting up or shutting down")
    hint = N_("Try again in a few seconds.")


class ServerBusy(DatabaseUnavailable):
    """The server answers, but cannot do this now: no room, no memory, a lock, a conflict."""

    sentence = N_("the database at {target} cannot do this now: {reason}")
    hint = N_("Try again; if it lasts, look at the server's log and its free disk space.")


class ServerReadOnly(DatabaseUnavailable):
    """The transaction only reads, by a setting as far as is known."""

    sentence = N_("the database at {target} takes no writes: {reason}")
    hint = N_(
        "Look for default_transaction_read_only on the server, the database and the role; "
        "`agentpg status` says whether the server is in recovery."
    )


class ServerInRecovery(ServerReadOnly):
    """The server only reads: it is a standby or still in recovery."""

    sentence = N_("the database at {target} is in recovery and takes no writes")
    hint = N_("Use the primary's address, or wait until recovery has ended.")


class TooManyConnections(DatabaseUnavailable):
    """The server has no connection left."""

    sentence = N_("the database at {target} has no connection left")
    hint = N_("End idle sessions, use a pooler, or raise max_connections.")


class LoginRefused(DatabaseUnavailable):
    """The server refused the role, its password or its address."""

    sentence = N_("the database at {target} refused the login: {reason}")
    hint = N_(
        "Check the role, its password (.pgpass, PGPASSWORD) and pg_hba.conf; "
        "`agentpg doctor connection` says which it is."
    )


class ServerUnproved(DatabaseUnavailable):
    """The server offers no TLS, or no certificate that is believed and for its name."""

    sentence = N_("the database at {target} does not prove who answers: {reason}")
    hint = N_(
        "Name the file of its authority, `sslrootcert=FILE`, in the connection string, or lay it "
        "into AGENTPG_HOME as tls/authority.crt. In a network that you trust, say "
        "`sslmode=prefer` there, or set AGENTPG_SSLMODE."
    )


class DatabaseMissing(DatabaseUnavailable):
    """The server has no such database."""

    sentence = N_("the server has no such database: {reason}")
    hint = N_("`agentpg setup` creates it.")


class ServerNotRunning(DatabaseUnavailable):
    """The private server exists and is stopped."""

    sentence = N_("the private server in {home} is not running")
    hint = N_("Start it with `agentpg server start`.")
