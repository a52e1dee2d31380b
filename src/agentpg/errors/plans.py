"""Plans and indexes."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.errors.refused import Refused
from agentpg.errors.usage import UsageError
from agentpg.language import N_


class StatementNotPlanned(AgentpgError):
    """The server makes no plan of a statement."""

    sentence = N_("the statement has no plan: {reason}")
    hint = N_(
        "Give one SELECT, INSERT, UPDATE, DELETE, MERGE or VALUES, without EXPLAIN, with names as "
        "the search_path finds them."
    )


class SeveralStatements(UsageError):
    """More than one statement where one is asked for."""

    sentence = N_("{count} statements are given, and a plan is of one")
    hint = N_("Give each by itself.")


class StatementTooSlow(AgentpgError):
    """A statement was cancelled by its time-out; nothing was changed."""

    sentence = N_("the statement took longer than {seconds} s, and was cancelled")
    hint = N_("Give --timeout more; without --analyze the statement does not run.")


class StatementLocked(AgentpgError):
    """A table of a statement was locked."""

    sentence = N_("a table of the statement is locked: {reason}")
    hint = N_("Try again later; `agentpg monitor top` shows who holds locks.")


class WriteNotRun(Refused):
    """Running a statement would change something, and nobody has said that it may."""

    sentence = N_("running the statement would change something: {reason}")
    hint = N_(
        "Leave out --analyze; or say --write: it runs, holds its locks meanwhile, and is rolled "
        "back."
    )


class EffectStays(Refused):
    """Running a statement would do what no rollback takes back."""

    sentence = N_("running the statement would do what a rollback does not undo: {function}")
    hint = N_("Leave out --analyze: then it is only planned.")


class StatementOfOthers(Refused):
    """A statement of another role is not planned: that may call its functions."""

    sentence = N_("statement {query_id} was run by another role")
    hint = N_(
        "Planning it may call functions of its role with the rights of this one; explain it as "
        "that role."
    )


class ParametersMissing(UsageError):
    """A statement can't run without a value for each of its parameters."""

    sentence = N_("values for parameters of the statement: {given} are given, and it takes {count}")
    hint = N_(
        "Give the values in their order, each with --param; without --analyze none is needed."
    )


class QueryNotFound(AgentpgError, LookupError):
    """pg_stat_statements has no such statement."""

    sentence = N_("pg_stat_statements has no statement {query_id} of this database")
    hint = N_("`agentpg doctor slow` names the slowest; they are forgotten when others come.")


class StatementsNotKept(AgentpgError):
    """pg_stat_statements is not there."""

    sentence = N_("pg_stat_statements is not to be read: {reason}")
    hint = N_(
        "Add it to shared_preload_libraries, restart the server, and run CREATE EXTENSION "
        "pg_stat_statements."
    )


class IndexNotFound(AgentpgError, LookupError):
    """Nothing is proposed or found by this name."""

    sentence = N_("nothing is proposed for an index named {index}")
    hint = N_("`agentpg tune indexes` shows the names of what it would do.")


class IndexNameShared(UsageError):
    """Indexes of several schemas have the name."""

    sentence = N_("several indexes are named {index}: {names}")
    hint = N_("Give the name with its schema.")


class IndexKept(Refused):
    """An index that is not to be dropped."""

    sentence = N_("the index {index} stays: {reason}")
    hint = N_("Nothing was changed.")


class IndexNotMade(AgentpgError):
    """An index was not built, and what was left of it is gone."""

    sentence = N_("{index} was not changed: {reason}")
    hint = N_(
        "What the try had left was removed. Long transactions hold such work up: try again at a "
        "quieter time, or give --lock-timeout more."
    )


class IndexLeft(AgentpgError):
    """An index was not built, and what is left of it could not be removed."""

    sentence = N_("{index} was not changed, and {left} is left of the try: {reason}")
    hint = N_("Remove it at a quieter time: `agentpg tune indexes --apply {left}`.")


class IndexTooLarge(Refused):
    """There is no room to build an index beside what is there."""

    sentence = N_("building {index} takes about {needed} in {mount}, where {free} are free")
    hint = N_(
        "Make room: `agentpg doctor disk` says what takes it. Nothing was changed for this index."
    )


class IndexNotUndone(AgentpgError):
    """A change of an index was not undone, or in part."""

    sentence = N_("what {path} undoes was not undone whole: {reason}")
    hint = N_("`agentpg tune indexes` shows what is left of it; then run the file again.")
