"""Whether the schema is whole, T16."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentpg.db import identifier, literal
from agentpg.desk.check import Say, Unlooked
from agentpg.desk.doctor.tasks.facts import Facts, Present, Schema
from agentpg.desk.doctor.tasks.parts import Part, expected_parts
from agentpg.desk.doctor.tasks.policy import Policy
from agentpg.desk.doctor.tasks.saying import MOST, Said, TaskCheck
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.language import N_

# A trigger of these runs for every task, in the transactions of the workers and of who adds tasks.
_HOT = ("tasks", "agent_executions", "workers")

_VERIFY = Remedy(
    sentence=N_("See what else of the schema is not as this release makes it."),
    command="agentpg schema verify",
)


def _parts(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    schema, present = facts.schema, facts.present
    if isinstance(schema, Unlooked):
        return (say.unknown(schema),)
    if isinstance(present, Unlooked):
        return (say.unknown(present),)
    if schema.found != schema.wanted:
        return (say("ok", N_("the schema is of another version; T12 tells of that")),)
    expected = expected_parts(schema.name)
    found = [*_missing(say, schema, expected, present), *_unlogged(say, schema, present)]
    found += _of_others(say, schema, expected, present)
    text = N_("the schema {subject} has all its parts: {parts}")
    return tuple(found[:MOST]) or (say("ok", text, schema.name, parts=len(expected)),)


def _missing(
    say: Say, schema: Schema, expected: Sequence[Part], present: Sequence[Present]
) -> Iterator[Finding]:
    there = {(one.kind, one.name) for one in present}
    for part in expected:
        if (part.kind, part.name) not in there:
            yield say(
                _level(part),
                _SENTENCES[part.kind],
                part.name,
                (*_again(part), _VERIFY),
                kind=part.kind,
                schema=schema.name,
            )


_SENTENCES = {
    "table": N_("the table {subject} of the schema {schema} is missing"),
    "view": N_("the view {subject} of the schema {schema} is missing"),
    "function": N_("the function {subject} of the schema {schema} is missing"),
    "index": N_("the index {subject} of the schema {schema} is missing"),
    "trigger": N_("the trigger {subject} of the schema {schema} is missing"),
}


def _level(part: Part) -> Level:
    """What statements of ours can't do without, or a promise rests on, is critical."""
    return "critical" if part.unique or part.kind in ("table", "function") else "warning"


def _again(part: Part) -> Iterator[Remedy]:
    if part.again:
        yield Remedy(sentence=N_("Make it again."), sql=part.again, risk="careful")


def _unlogged(say: Say, schema: Schema, present: Sequence[Present]) -> Iterator[Finding]:
    for one in present:
        if one.kind == "table" and one.unlogged:
            keep = Remedy(
                sentence=N_("Have it logged; nobody can use it while it is written anew."),
                sql=f"ALTER TABLE {identifier(schema.name, one.name)} SET LOGGED",
                risk="careful",
            )
            yield say(
                "critical",
                N_("the table {subject} is unlogged: a crash of the server empties it"),
                one.name,
                (keep,),
                cause=N_("somebody wanted it to be faster"),
            )


def _of_others(
    say: Say, schema: Schema, expected: Sequence[Part], present: Sequence[Present]
) -> Iterator[Finding]:
    ours = {(part.table, part.name) for part in expected if part.kind == "trigger"}
    for one in present:
        # One that is switched off runs for nobody; V12 tells of it.
        if one.kind == "trigger" and (one.table, one.name) not in ours and not one.off:
            yield say(
                "warning" if one.table in _HOT else "info",
                N_("each change of {table} runs {subject}, a trigger that others have added"),
                one.name,
                _of_stranger(schema, one),
                cause=N_("somebody records or forwards what changes"),
                table=one.table,
            )


def _of_stranger(schema: Schema, one: Present) -> tuple[Remedy, ...]:
    table = identifier(schema.name, one.table)
    name = identifier(one.name)
    see = Remedy(
        sentence=N_("See what it does, and how long that takes."),
        sql="SELECT pg_get_triggerdef(oid), pg_get_functiondef(tgfoid) FROM pg_trigger "  # noqa: S608
        f"WHERE tgrelid = {literal(table)}::regclass AND tgname = {literal(one.name)}",
    )
    stop = Remedy(
        sentence=N_("If nobody needs it, or it is slow, switch it off."),
        sql=f"ALTER TABLE {table} DISABLE TRIGGER {name}",
        risk="careful",
        undo=f"ALTER TABLE {table} ENABLE TRIGGER {name}",
    )
    return see, stop


SCHEMA_CHECKS = (
    TaskCheck(
        code="T16",
        title=N_("Parts of the schema"),
        levels=("info", "warning", "critical"),
        threshold=N_(
            "info a trigger of others, on tasks, agent_executions or workers a warning, a part is "
            "missing / a table, function or unique index is missing, a table is unlogged"
        ),
        contact="dba",
        cause=N_("it was dropped by hand, or left out when the database was made anew"),
        proof=N_("`agentpg schema verify` finds nothing missing."),
        meaning="Parts are told by their names here, and nothing is made; `agentpg schema verify` "
        "compares all that they consist of. The indexes of the hot path are S16's.",
        idea="make what is missing again; `agentpg schema verify` prints it.",
        decide=_parts,
    ),
)
