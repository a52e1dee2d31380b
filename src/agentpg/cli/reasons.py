"""Why a task is where it is, in the reader's language.

The engine writes its reasons down in English: programs compare them, and they outlive their
readers. Here they are known again by their form. What a person or a handler said stays as it
is.
"""

from __future__ import annotations

import re
from functools import cache

from agentpg.errors import ResultNotJson, ResultTooLarge, SealBroken, SealingKeyMissing
from agentpg.language import N_, Translate

# The first one that fits counts. A value may be such a reason itself.
STORED = (
    N_("cancelled on request"),
    N_("the task was set to {status} from outside"),
    N_("its worker stopped before it began"),
    N_("its worker stopped"),
    N_("its worker had no slot for it"),
    N_("its worker was declared dead"),
    N_("its claim was lost with the connection"),
    N_("another has it now"),
    N_("no process for it: {why}"),
    N_("it dies before it takes up the work"),
    N_("quarantined after {losses} lost executions: its worker died each time"),
    N_("quarantined after {crashes} crashes and {losses} lost executions; the last one: {why}"),
    N_("its worker died, and it must not run twice (on_crash = fail)"),
    N_("{why}; it must not run twice (on_crash = fail)"),
    N_("its worker died"),
    N_("its process was killed by signal {signal}"),
    N_("its process ended with exit code {code}"),
    N_("the attempt ended before this call did"),
    N_("its attempt ended first"),
    N_("the handler took longer than {time}"),
    N_("the handler called sys.exit({code})"),
    N_("the handler cancelled itself"),
    N_("the payload cannot be read: {why}"),
    N_("the payload does not fit the handler: {why}"),
    N_("the outcome cannot be stored: {why}"),
    ResultNotJson.sentence,
    ResultTooLarge.sentence,
    N_("it is nested too deeply"),
    N_("a text holds half of a surrogate pair"),
    N_("a number has too many digits"),
    N_("adopted"),
    N_("the payload has no {key}, by which a limit of {agent} counts"),
    N_("the task has no {key}, by which a limit of {agent} counts"),
    N_("held by hand"),
    N_("set aside by agentpg.testing"),
    SealingKeyMissing.sentence,
    SealBroken.sentence,
    N_("it is not sealed, and here only sealed payloads are run"),
    N_("(sealed)"),
)


def reason_in(translate: Translate, stored: str, templates: tuple[str, ...] = STORED) -> str:
    """A stored reason in the reader's language; what has none of these forms, as it is."""
    for template, pattern in _patterns(templates):
        if found := pattern.fullmatch(stored):
            said = found.groupdict().items()
            values = {name: reason_in(translate, value, templates) for name, value in said}
            return translate(template).format_map(values)
    return stored


def optional_reason(translate: Translate, stored: str | None) -> str | None:
    """The same for one that may not be there."""
    return None if stored is None else reason_in(translate, stored)


@cache
def _patterns(templates: tuple[str, ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((template, _pattern(template)) for template in templates)


def _pattern(template: str) -> re.Pattern[str]:
    """What a reason of this form looks like, with a group for each value.

    >>> _pattern("no process for it: {why}").fullmatch("no process for it: none").groupdict()
    {'why': 'none'}
    """
    texts_and_names = enumerate(re.split(r"\{(\w+)\}", template))
    parts = [f"(?P<{part}>.+)" if place % 2 else re.escape(part) for place, part in texts_and_names]
    return re.compile("".join(parts), re.DOTALL)
