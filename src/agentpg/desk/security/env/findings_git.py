"""What is wrong in the repository of an installation's folder: what git tracks, had, and takes."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from agentpg.desk.check import Say, Unlooked
from agentpg.desk.finding import Finding, Level, Remedy
from agentpg.desk.security.env.facts import Committed, Facts, Repository
from agentpg.desk.security.env.patterns import IN_USE
from agentpg.desk.security.env.saying import ROTATE, TOLD, Said
from agentpg.language import N_

_NOT_ALL = Unlooked(N_("the time was over before all of the history was read"))


def by_repository(
    decide: Callable[[Say, Repository], Said],
) -> Callable[[Say, Facts], Said]:
    """A decision of the repository, for where there is one."""

    def decided(say: Say, facts: Facts) -> Said:
        if facts.repository is None:
            return (say("ok", N_("{subject} is in no git repository"), facts.folder),)
        if isinstance(facts.repository, Unlooked):
            return (say.unknown(facts.repository),)
        return decide(say, facts.repository)

    return decided


def tracked(say: Say, repository: Repository) -> Said:
    """Files of secrets that git tracks."""
    found = tuple(
        say(
            "critical",
            N_("git tracks {subject}: everybody with a copy of the repository has it"),
            path,
            (
                ROTATE,
                Remedy(
                    sentence=N_("Let git forget it; the file itself stays."),
                    command=f"git rm --cached -- {shlex.quote(path)}",
                    risk="careful",
                ),
            ),
        )
        for path in repository.tracked[:TOLD]
    )
    return found or (say("ok", N_("git tracks no file of secrets")),)


def ever(say: Say, repository: Repository) -> Said:
    """Those that it has had before."""
    if isinstance(repository.ever, Unlooked):
        return (say.unknown(repository.ever),)
    found = tuple(
        say(
            "warning",
            N_("{subject} is no longer tracked, and still stands in the history of git"),
            path,
            (
                ROTATE,
                Remedy(
                    sentence=N_("See which commits have it."),
                    command=f"git log --all --full-history --oneline -- {shlex.quote(path)}",
                ),
            ),
        )
        for path in repository.ever[:TOLD]
    )
    return found or (say("ok", N_("the history of git has no file of secrets")),)


def ignored(say: Say, repository: Repository) -> Said:
    """Those that it would take."""
    found = tuple(
        say(
            "warning",
            N_("git does not ignore {subject}: the next `git add` takes it"),
            path,
            (
                Remedy(
                    sentence=N_("Have git ignore it."),
                    command=f"printf '%s\\n' {shlex.quote(path.rsplit('/', 1)[-1])} >> .gitignore",
                ),
            ),
        )
        for path in repository.not_ignored
    )
    return found or (say("ok", N_("git ignores the files of secrets")),)


def lines(say: Say, repository: Repository) -> Said:
    """Tracked lines that hold a secret."""
    if isinstance(repository.lines, Unlooked):
        return (say.unknown(repository.lines),)
    found = [
        say("warning", N_("a tracked line holds a password or a key: {subject}"), line, (ROTATE,))
        for line in repository.lines[:TOLD]
    ]
    left = len(repository.lines) - TOLD
    if left > 0:
        found.append(say("warning", N_("and {number} more of the same kind"), "…", number=left))
    return tuple(found) or (say("ok", N_("no tracked line holds a password or a key")),)


def history(say: Say, facts: Facts) -> Said:
    """What was ever committed, and holds one."""
    if facts.history is None:
        return ()
    if facts.repository is None:
        return (say("ok", N_("{subject} is in no git repository"), facts.folder),)
    if isinstance(facts.history, Unlooked):
        return (say.unknown(facts.history),)
    found = [_committed(say, one) for one in facts.history.found[:TOLD]]
    left = len(facts.history.found) - TOLD
    if left > 0:
        found.append(say("warning", N_("and {number} more of the same kind"), "…", number=left))
    if not facts.history.whole:
        found.append(say.unknown(_NOT_ALL))
    text = N_("none of {number} contents of files that were ever committed holds a secret")
    return tuple(found) or (say("ok", text, number=facts.history.contents),)


def _committed(say: Say, one: Committed) -> Finding:
    level: Level = "critical" if one.kind == IN_USE else "warning"
    show = Remedy(
        sentence=N_("See where it came from; it is shown there."),
        command=f"git show {one.commit} -- {shlex.quote(one.path)}",
    )
    where = f"{one.path}:{one.line}"
    text = N_("{because} stands in {subject}, since commit {commit}")
    return say(level, text, where, (ROTATE, show), commit=one.commit or "?", because=one.kind)
