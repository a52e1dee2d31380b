"""Refused for safety, and nothing was changed: exit code 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agentpg.errors.base import AgentpgError
from agentpg.language import N_, Translate, untranslated


class Refused(AgentpgError):
    """Refused for safety; nothing was changed."""

    exit_code = 4


class WrongMajorVersion(Refused):
    """A data folder that another major version of PostgreSQL made."""

    sentence = N_(
        "the data folder {folder} belongs to PostgreSQL {found}, "
        "and the binaries in {binaries} are PostgreSQL {wanted}"
    )
    hint = N_(
        "Set AGENTPG_PG_BIN to binaries of version {found}, or use another AGENTPG_HOME. "
        "Nothing was changed."
    )


class SchemaMismatch(Refused):
    """The schema is missing, older or newer than this release needs."""

    sentence = N_("the schema {schema} is at version {found}, and this release needs {wanted}")
    hint = N_("Run `agentpg schema migrate`; if the schema is newer, install a newer agentpg.")


class SchemaMissing(Refused):
    """A table, column or function of the schema is not there."""

    sentence = N_("the schema is missing or too old: {reason}")
    hint = N_("Run `agentpg schema migrate`.")


class MigrationChanged(Refused):
    """A migration was applied with another text than it has now."""

    sentence = N_("migration {migration} was applied with another text than it has now")
    hint = N_("Install the release that made this schema, or ask who changed the file.")


class TablesInTheWay(Refused):
    """The first migration would meet tables of the same names."""

    sentence = N_("the schema {schema} has tables of its own already: {tables}")
    hint = N_("`agentpg schema adopt` takes them over with every row.")


class NamesTaken(Refused):
    """A migration would meet tables, views or indexes of others with the names that it needs."""

    sentence = N_("the schema {schema} has something of its own by these names: {names}")
    hint = N_("Rename it, or move it to another schema. Nothing was changed.")


class AdoptionRefused(Refused):
    """A database that `schema adopt` cannot take over as it is.

    `obstacles` are all that stand in the way: sentences of ours with their values.
    """

    sentence = N_("the tables cannot be adopted: {reason}")
    hint = N_(
        "Nothing was changed. A column that means something else can be renamed first, and a "
        "view in the way dropped and created again afterwards."
    )

    def __init__(
        self, reason: str = "", *, obstacles: Sequence[tuple[str, Mapping[str, object]]] = ()
    ) -> None:
        self.obstacles = list(obstacles) or [("{said}", {"said": reason})]
        super().__init__(reason)

    def message(self, translate: Translate = untranslated) -> str:
        """All obstacles in one sentence."""
        said = [translate(sentence).format_map(values) for sentence, values in self.obstacles]
        return translate(self.sentence).format_map({"reason": "; ".join(said)})


class PermissionDenied(Refused):
    """The role may not do this."""

    sentence = N_("the database role may not do this: {reason}")
    hint = N_(
        "Use a role that may; `agentpg security roles show` says what each may. Or ask the DBA."
    )


class FileNotOurs(Refused):
    """A file that is in the way was not written by agentpg."""

    sentence = N_("{path} was not written by agentpg, so it is not replaced")
    hint = N_("Move it away, or write to another folder.")


class WorkUnderWay(Refused):
    """Somebody else is doing this at the moment, and only one may."""

    sentence = N_("{work} is under way already on the schema {schema}")
    hint = N_("Wait for its end; pg_locks shows the session by its advisory lock.")


class EndingRefused(Refused):
    """A session that is not to be ended; nothing was changed."""

    sentence = N_("process {pid} is not to be ended: {reason}")
    hint = N_("Nothing was changed. `agentpg doctor slow` shows what else could be done.")


class NotForTesting(Refused):
    """Tests would run, and throw away, what a database holds that is not marked for it."""

    sentence = N_("the database {target} is not marked as one to throw away")
    hint = N_(
        "Use agentpg.testing.PrivateServer, or mark a database of your own: "
        "ALTER DATABASE … SET agentpg.testing = 'on'."
    )
