"""What checks of backups have found, for people, in their language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from agentpg.cli.output import Column
from agentpg.cli.reasons import reason_in
from agentpg.cli.session import Session
from agentpg.errors import BackupError
from agentpg.language import N_, Translate

if TYPE_CHECKING:
    from agentpg.desk.backup.model import Check, Difference

# More is in --json.
_MOST_DIFFERENCES = 20


def show_checks(session: Session, checks: Sequence[Check]) -> None:
    """What was looked at and found, and in what it differs."""
    columns = (
        Column(N_("Check")),
        Column(N_("Outcome"), state=True),
        Column(N_("Reason"), yields=1, fold=True),
    )
    rows = [(c.name, c.outcome, check_reason(session.translate, c.reason) or None) for c in checks]
    session.out.table(columns, rows)
    show_differences(session, [d for check in checks for d in check.differences])


def show_differences(
    session: Session, differences: Sequence[Difference], title: str = N_("Subject")
) -> None:
    """In what something differs, below a blank line; `title` is what the subjects are."""
    if not differences:
        return
    columns = (
        Column(title, yields=1),
        Column(N_("Expected"), yields=2, fold=True),
        Column(N_("Found"), yields=2, fold=True),
    )
    rows = [
        (d.subject, session.translate(d.expected), session.translate(d.found))
        for d in differences[:_MOST_DIFFERENCES]
    ]
    session.out.line()
    session.out.table(columns, rows)
    more = len(differences) - _MOST_DIFFERENCES
    if more > 0:
        text = session.translate(N_("And {more} more; --json has all."))
        session.out.line(text.format(more=more))


def check_reason(translate: Translate, reason: str) -> str:
    """The reason of a check, which is stored in English with its values in it."""
    translated = translate(reason)
    return reason_in(translate, reason, _forms()) if translated == reason else translated


@cache
def _forms() -> tuple[str, ...]:
    """The forms of reasons and of our errors; those with the most words of their own first."""
    from agentpg.desk.backup.proof import comparing, proving

    forms = {*comparing.REASONS, *proving.REASONS, *_sentences(BackupError)}
    return tuple(sorted(filter(_own_words, forms), key=lambda form: (-len(_own_words(form)), form)))


def _own_words(form: str) -> str:
    return re.sub(r"\{\w+\}", "", form).strip()


def _sentences(kind: type[BackupError]) -> Iterator[str]:
    yield kind.sentence
    for below in kind.__subclasses__():
        yield from _sentences(below)
