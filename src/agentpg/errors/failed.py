"""What failed otherwise: exit code 1."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.language import N_


class FileNotWritten(AgentpgError):
    """A file or a folder cannot be written."""

    sentence = N_("cannot write {path}: {reason}")
    hint = N_("Check the folder's owner and the free space, or name another folder.")


class OutputNotWritten(AgentpgError):
    """Standard output takes no more."""

    sentence = N_("cannot write the output: {reason}")
    hint = N_("What was asked for may have been done; look before you repeat it.")


class ArchiveNotWhole(AgentpgError):
    """What was written to an archive did not read back, so nothing was removed."""

    sentence = N_("the archive {path} did not read back as it was written: {reason}")
    hint = N_("Check the disk, or name another folder. Nothing of it was removed.")


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


class ScheduleNotFound(AgentpgError):
    """There is no schedule of this name."""

    sentence = N_("there is no schedule {name!r}")
    hint = N_("`agentpg schedule list` shows all.")


class TaskFailed(AgentpgError):
    """A task that was waited for ended otherwise than completed."""

    sentence = N_("task {task_id} ended as {status}: {reason}")


class WrongState(AgentpgError):
    """The task is in a state that does not allow this."""

    sentence = N_("task {task_id} is {status}, so it cannot be {action}")


class WaitTimedOut(AgentpgError, TimeoutError):
    """A task had not ended when the waiting time was over."""

    sentence = N_("task {task_id} was still {status} after {seconds} s")


class NotDrained(AgentpgError, TimeoutError):
    """A test ran what was due, and more was left when its time was over."""

    sentence = N_("{tasks} tasks were still to do after {seconds} s")
    hint = N_(
        "A handler may hang or submit without end, or a rate holds tasks back, for which "
        "`advance` lets time pass; `timeout` is how long to wait."
    )


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


class DatabaseError(AgentpgError):
    """Any other error of the database."""

    sentence = N_("the database said: {reason}")


class NotExplained(AgentpgError):
    """The statement of a session has no plan that can be shown."""

    sentence = N_("the statement of process {pid} cannot be explained: {reason}")


class NotCancelled(AgentpgError):
    """The statement of a session was not cancelled."""

    sentence = N_("the statement of process {pid} was not cancelled: {reason}")


class NotEnded(AgentpgError):
    """What a session does, or the session, was not ended."""

    sentence = N_("process {pid} was not ended: {reason}")


class SessionNotFound(AgentpgError, LookupError):
    """The server has no session with this process."""

    sentence = N_("there is no session with process {pid}")
    hint = N_("`agentpg doctor slow` and `agentpg monitor activity` show those that there are.")


class NoSample(AgentpgError):
    """Nothing was kept that the present could be compared with."""

    sentence = N_("no sample was kept yet that the present could be compared with")
    hint = N_(
        "`agentpg up`, or a worker with --built-in and AGENTPG_DSN_ADMIN, keeps one every five "
        "minutes."
    )


class CommandFailed(AgentpgError):
    """A command that was run for something else did not end well; it has said why itself."""

    sentence = N_("`{command}` ended with {code}")
