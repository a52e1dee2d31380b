"""Files of settings that can't be used, and what waits for a restart, G01 to G03."""

from __future__ import annotations

from agentpg.desk.check import Say, Unlooked
from agentpg.desk.doctor.settings.facts import Facts, FileError
from agentpg.desk.doctor.settings.policy import Policy
from agentpg.desk.doctor.settings.saying import (
    Said,
    SettingsCheck,
    refused,
)
from agentpg.desk.doctor.settings.units import shown
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

_SEE_FILES = (
    "GRANT SELECT ON pg_file_settings TO {role}; "
    "GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO {role}"
)
_SEE_HBA = (
    "GRANT SELECT ON pg_hba_file_rules TO {role}; "
    "GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO {role}"
)


def _files(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.file_errors, Unlooked):
        return refused(say, facts.file_errors, facts, _SEE_FILES)
    found = tuple(_file_error(say, one) for one in facts.file_errors)
    return found or (say("ok", N_("the files of settings can be read, and used")),)


def _file_error(say: Say, one: FileError) -> Finding:
    text = N_("{file}, line {line}: {error}")
    if one.name:
        text = N_("{file}, line {line}: {subject}: {error}")
    mend = Remedy(sentence=N_("Mend the line, or take it out; then look again."))
    if one.name and one.file.endswith("postgresql.auto.conf"):
        # What is written by hand into the server's own file is taken out by the server.
        mend = Remedy(
            sentence=N_("Have the server take it out of its own file."),
            sql=f"ALTER SYSTEM RESET {one.name}",
        )
    again = Remedy(sentence=N_("Have the files read anew."), sql="SELECT pg_reload_conf()")
    return say(
        "critical", text, one.name, (mend, again), file=one.file, line=one.line, error=one.error
    )


def _hba(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.hba_errors, Unlooked):
        return refused(say, facts.hba_errors, facts, _SEE_HBA)
    found = tuple(
        say(
            "critical",
            N_("{file}, line {line}: {error}"),
            "",
            (Remedy(sentence=N_("Mend the line; the server goes on with the rules before.")),),
            file=one.file,
            line=one.line,
            error=one.error,
        )
        for one in facts.hba_errors
    )
    return found or (say("ok", N_("every line of pg_hba.conf can be used")),)


def _pending(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    if isinstance(facts.settings, Unlooked):
        return refused(say, facts.settings, facts)
    if isinstance(facts.pending, Unlooked):
        return refused(say, facts.pending, facts)
    found = tuple(_waits(say, facts, name, value) for name, value in facts.pending.items())
    return found or (say("ok", N_("no setting waits for a restart")),)


def _waits(say: Say, facts: Facts, name: str, value: str) -> Finding:
    one = facts.setting(name)
    now = (one and shown(one.value, one.unit)) or "–"
    text = N_("{subject} is {now} until a restart, and {value} then")
    if not value:
        text = N_("{subject} is {now} until a restart, and another then")
    return say(
        "warning",
        text,
        name,
        (
            Remedy(
                sentence=N_("Restart the server at a quiet time; workers go on by themselves."),
                command="pg_ctl restart",
                risk="careful",
            ),
            Remedy(
                sentence=N_("Or take the change back, if nobody wants it."),
                sql=f"ALTER SYSTEM RESET {name}; SELECT pg_reload_conf()",
            ),
        ),
        now=now,
        value=value,
    )


FILE_CHECKS = (
    SettingsCheck(
        code="G01",
        title=N_("The files of settings"),
        levels=("critical",),
        threshold=N_("– / a line that can't be used"),
        contact="dba",
        cause=N_("the file was written by hand, or by another version"),
        proof=N_("`SELECT pg_reload_conf()` was run, and the finding is gone."),
        meaning="With a line that can't be used the server takes no change of the file, and after "
        "the next stop it does not start.",
        idea="mend the line; `ALTER SYSTEM RESET` where it is in `postgresql.auto.conf`.",
        decide=_files,
    ),
    SettingsCheck(
        code="G02",
        title=N_("The rules of pg_hba.conf"),
        levels=("critical",),
        threshold=N_("– / a line that can't be used"),
        contact="dba",
        cause=N_("the file was written by hand, or by another version"),
        proof=N_("`SELECT pg_reload_conf()` was run, and the finding is gone."),
        meaning="The server goes on with the rules from before, and after the next stop it does "
        "not start.",
        idea="mend the line, and reload.",
        decide=_hba,
    ),
    SettingsCheck(
        code="G03",
        title=N_("Settings that wait for a restart"),
        levels=("warning",),
        threshold=N_("any / –"),
        contact="dba",
        cause=N_("it was changed, and the server was not restarted since"),
        proof=N_("the server was restarted, and the finding is gone."),
        meaning="What such a setting does is seen at the next restart, perhaps at a bad time.",
        idea="restart at a quiet time, or take the change back.",
        decide=_pending,
    ),
)
