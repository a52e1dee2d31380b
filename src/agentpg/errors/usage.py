"""Wrong usage: exit code 2."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.language import N_


class UsageError(AgentpgError, ValueError):
    """A command or a call has a wrong argument."""

    exit_code = 2


class WrongArgument(UsageError, TypeError):
    """A call was given a value that it cannot use; `reason` says what it wants."""

    sentence = N_("{what} is {reason}, not {value}")


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


class BaselineWrong(UsageError):
    """A file of accepted risks has an entry that cannot be taken."""

    sentence = N_("cannot use the baseline {path}: {reason}")
    hint = N_(
        "Each [[accepted]] has code, owner, reason and until (a date), and may have a subject."
    )


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


class InvalidSchedule(UsageError):
    """A schedule that cannot be kept."""

    sentence = N_("the schedule {name!r} was not kept: {reason}")


class CronWrong(InvalidSchedule):
    """A cron line that cannot be read."""

    sentence = N_("the cron line {cron!r} is wrong: {reason}")
    hint = N_("Its fields are minute, hour, day, month and weekday, as in `0 7 * * mon`.")


class CronNeverTrue(InvalidSchedule):
    """A cron line that no moment fits."""

    sentence = N_("the cron line {cron!r} never comes true")
    hint = N_("No month that it names has such a day.")


class ZoneUnknown(InvalidSchedule):
    """A time zone that is not in the IANA data base."""

    sentence = N_("there is no time zone {time_zone!r}")
    hint = N_("Zones are named after a city, as in Asia/Seoul, or UTC.")


class ScheduleExists(InvalidSchedule):
    """Another schedule has this name already."""

    sentence = N_("there is a schedule {name!r} already")
    hint = N_("Use another name; `agentpg schedule add --replace` changes the one there is.")


class IdempotencyConflict(UsageError):
    """The same idempotency key was used for another payload."""

    sentence = N_(
        "the idempotency key {key} of {agent_name}/{task_type} was used for another payload, "
        "by task {task_id}"
    )
    hint = N_("Use a new key for new work; the same key means the same work.")


class KeyTaken(IdempotencyConflict):
    """The key was used by a task that this login may not see, or that is gone by now."""

    sentence = N_(
        "the idempotency key {key} of {agent_name}/{task_type} is taken by a task that you "
        "cannot see"
    )
    hint = N_("Keys are the installation's: put the tenant's name into its keys.")


class WrongLimit(UsageError):
    """A limit has a value that does not fit."""

    sentence = N_("the {what} of a limit cannot be {value}: {reason}")


class InvalidAgent(UsageError):
    """A text that no agent can be called by, or a reason that cannot be stored."""

    sentence = N_("the {what} of a pause cannot be {value}: {reason}")


class LimitNotFound(UsageError):
    """There is no such limit to remove."""

    sentence = N_("there is no limit of {tasks}{key}")
    hint = N_("`agentpg agent limit {agent_name}` shows those that there are.")


class NotPaused(UsageError):
    """An agent that is to be resumed is not paused."""

    sentence = N_("the agent {agent_name} is not paused")


class CallInLoop(UsageError):
    """A call was to be recorded with `with` in an async handler, where it would wait for itself."""

    sentence = N_("a call of a sync client cannot be recorded in an async handler")
    hint = N_(
        "Use AsyncOpenAI or AsyncAnthropic and `async with run.llm_call(...)`, "
        "or make the handler a plain function."
    )


class HandlerNotImportable(UsageError):
    """A handler that is to run in a child process cannot be found there by its name."""

    sentence = N_(
        "the handler {function} of {agent_name}/{task_type} cannot run in a process: {reason}"
    )
    hint = N_(
        "Define it at the top of a module of its own, without another decorator around it, "
        'or leave out runs_in="process".'
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


class RetentionNotSet(UsageError):
    """History is to be removed, and nothing says how old it must be."""

    sentence = N_("nothing says how long history is kept, so all of it is")
    hint = N_(
        "Give --older-than, such as 90d, or set AGENTPG_RETENTION_COMPLETED, _FAILED and "
        "_CANCELLED."
    )


class RetentionTooShort(UsageError):
    """History is to be kept for less time than a task may go on being tried."""

    sentence = N_(
        "{status} tasks cannot be kept for {period} only: the longest retry takes {longest}"
    )
    hint = N_(
        "A task with the defaults may be tried for {longest}; keep what ended at least as long."
    )

    def of_setting(self) -> RetentionTooShort:
        """The same where a setting says so."""
        return RetentionTooShort(
            hint=N_("Set {variable} to {longest} or more, for so long a task may be tried."),
            variable=f"AGENTPG_RETENTION_{self.values['status']}".upper(),
            status=self.values["status"],
            period=self.values["period"],
            longest=self.values["longest"],
        )


class ArchiveNotRead(UsageError):
    """An archive that is not whole, or was not written by agentpg."""

    sentence = N_("cannot read the archive {path}: {reason}")
    hint = N_("Take another copy of it; nothing was changed by this one.")


class SampleNotRead(UsageError):
    """A file is to be compared with, and is no sample of sizes."""

    sentence = N_("cannot compare with {path}: {reason}")
    hint = N_("Write one with `agentpg monitor sizes --json > FILE`.")


class AddressWrong(UsageError):
    """An address that nothing can listen on."""

    sentence = N_("cannot listen on {address}: {reason}")
    hint = N_("Give it as HOST:PORT, such as 127.0.0.1:9187, with a port that is free.")
