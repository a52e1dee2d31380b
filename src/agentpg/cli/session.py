"""What every command is given: settings, language, database and output, made when asked for."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from agentpg.errors import NoDatabase, ServerNotRunning, SettingError
from agentpg.language import N_, Translate, choose_language, translation

if TYPE_CHECKING:
    from agentpg.audit.acting import Action, Actor
    from agentpg.audit.recording import Course
    from agentpg.cli.output import Output
    from agentpg.db import Database
    from agentpg.desk.backup.model import Source
    from agentpg.desk.backup.storage.repository import Repository
    from agentpg.embedded import EmbeddedServer
    from agentpg.errors import AgentpgError
    from agentpg.settings import Settings


class Session:
    """One call of the command line. Nothing is read or opened before it is asked for."""

    def __init__(self) -> None:
        self.overrides: dict[str, object] = {}
        self.debug = False
        self.no_color = False
        self.command = ""

    @cached_property
    def settings(self) -> Settings:
        """The settings with the global options over them. Raises SettingError."""
        from agentpg.settings import load_settings

        return load_settings(**self.overrides)

    def override(self, name: str, value: object) -> None:
        """Give a setting another value for the rest of this call."""
        self.overrides[name] = value
        self.__dict__.pop("settings", None)

    @cached_property
    def translate(self) -> Translate:
        """The texts of the code in the reader's language."""
        return translation(self.language)

    @cached_property
    def language(self) -> str:
        """The reader's language, "en" or "ko"; works with broken settings too."""
        from agentpg.settings import locale_variables

        variables = locale_variables()
        try:
            wanted: str = self.settings.lang
        except SettingError:
            wanted = str(self.overrides.get("lang") or variables.get("AGENTPG_LANG", ""))
        return choose_language(wanted, variables)

    @cached_property
    def server(self) -> EmbeddedServer:
        """The private server in `home`, whether it exists or not."""
        from agentpg.embedded import EmbeddedServer

        return EmbeddedServer(self.home, self.settings.pg_bin, schema=self.settings.schema_name)

    @property
    def home(self) -> Path:
        """The setting `home` as an absolute path."""
        return self.settings.home.expanduser().absolute()

    @cached_property
    def database(self) -> Database:
        """The configured database, or else the private server's.

        Raises NoDatabase where there is neither, and ServerNotRunning where the private
        server exists and is stopped.
        """
        from agentpg.db import Database, configured

        database = configured(self.settings)
        if database is not None:
            return database
        if not self.server.exists():
            raise NoDatabase
        if not self.server.status().running:
            raise ServerNotRunning(home=self.home)
        return Database(self.server.dsn(), self.settings.schema_name)

    @cached_property
    def looked_at(self) -> Database:
        """The same, for those who find out what is wrong: the private server may be stopped.

        Raises NoDatabase where there is neither.
        """
        try:
            return self.database
        except ServerNotRunning:
            from agentpg.db import Database

            return Database(self.server.dsn(), self.settings.schema_name)

    @cached_property
    def monitor_database(self) -> Database:
        """The database as the role that may read all statistics."""
        from agentpg.db import database_of

        if self.settings.dsn_monitor and "dsn" not in self.overrides:
            return database_of(self.settings.dsn_monitor, self.settings)
        return self.database

    @cached_property
    def backup_database(self) -> Database:
        """The database as the role that makes backups."""
        from agentpg.db import database_of

        if self.settings.dsn_backup and "dsn" not in self.overrides:
            return database_of(self.settings.dsn_backup, self.settings)
        return self.database

    def backup_source(self) -> Source:
        """What is backed up. Raises DatabaseUnavailable, and what `backup_database` raises."""
        from agentpg.desk.backup.creating import source_of

        return source_of(self.backup_database)

    @cached_property
    def is_private(self) -> bool:
        """Whether the database is that of the private server."""
        from agentpg.db import configured

        return not self.settings.dsn_backup and configured(self.settings) is None

    @property
    def holding_database(self) -> Database | None:
        """The database as its owner, who locks its tables where the role of backups may not."""
        from agentpg.db import configured, database_of

        if self.settings.dsn_admin:
            return database_of(self.settings.dsn_admin, self.settings)
        return configured(self.settings)

    @cached_property
    def cluster_database(self) -> Database:
        """The database as a role for the whole cluster; on the private server a superuser."""
        from agentpg.db import Database

        # It raises where there is none, or none that runs.
        database = self.backup_database
        if not self.is_private:
            return database
        return Database(self.server.dsn("postgres"), self.settings.schema_name)

    @cached_property
    def restore_database(self) -> Database:
        """The database as a role that may make others: the private server's superuser, or `dsn`."""
        return self.cluster_database if self.is_private else self.database

    @cached_property
    def repository(self) -> Repository:
        """Where backups lie; nothing is asked of it yet. Raises RepositoryUnknown."""
        from agentpg.desk.backup.storage.opening import open_repository

        return open_repository(self.settings)

    @cached_property
    def actor(self) -> Actor:
        """Who runs this command, for the audit log: the command without its arguments, too."""
        import click

        from agentpg.audit.acting import this_operator

        context = click.get_current_context(silent=True)
        return this_operator(context.command_path if context else "agentpg")

    def recorded(
        self,
        action: Action,
        about: str | None = None,
        /,
        *,
        first: bool = False,
        **details: object,
    ) -> AbstractContextManager[Course]:
        """Around what changes something and no transaction holds: entries of the audit log.

        Where they cannot be written, a note says why, and the work goes on.
        """
        from agentpg.audit.recording import recording

        return recording(
            lambda: self.database,
            self.actor,
            action,
            about,
            first=first,
            unrecorded=self._unrecorded,
            **details,
        )

    def _unrecorded(self, error: AgentpgError) -> None:
        text = self.translate(N_("This is not in the audit log: {why}"))
        self.out.note(text.format(why=error.message(self.translate)))

    @cached_property
    def out(self) -> Output:
        """Where the command writes."""
        from agentpg.cli.output import Output

        return Output(self.translate, no_color=self.no_color)
