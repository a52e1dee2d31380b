"""A message in words: the subject, plain text, and HTML, in the contact's language."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from agentpg.language import N_, Translate, translation
from agentpg.notify.alert import Event
from agentpg.notify.condition import Condition
from agentpg.notify.message import Message
from agentpg.quantities import size_in_short

_WIDTH = 76

# So many are said in full; of the others a line each, so that a flood stays readable.
_MOST_IN_FULL = 10
_MOST_LINES = 100
_MOST_EVIDENCE = 12
_LONGEST_VALUE = 300

LEVEL_WORDS = {
    "ok": N_("well"),
    "info": N_("info"),
    "warning": N_("warning"),
    "unknown": N_("unknown"),
    "critical": N_("critical"),
}
_KINDS = {
    "firing": N_("new"),
    "worse": N_("has become worse"),
    "still": N_("is still there"),
    "escalated": N_("nobody has acknowledged it"),
    "resolved": N_("is over"),
    "test": N_("test"),
}
_RISKS = {
    "careful": N_("with care: it locks, loads or restarts something"),
    "destroys": N_("what it removes does not come back"),
}
_DIRECT = N_("Sent past the database, which does not answer or takes no work.")

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Do:
    """One step of what helps."""

    sentence: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One alert as it is said."""

    level: str
    level_word: str
    kind: str
    kind_word: str
    code: str
    message: str
    facts: tuple[tuple[str, str], ...]
    remedies: tuple[Do, ...]
    proof: str
    page: str
    ack: str


@dataclass(frozen=True, slots=True)
class Wording:
    """In which language, zone and with which links a message is said."""

    language: str
    zone: tzinfo
    runbook_url: str = ""

    @property
    def translate(self) -> Translate:
        """Into the language."""
        return translation(self.language)


@dataclass(frozen=True, slots=True)
class Said:
    """A message in words."""

    subject: str
    text: str
    html: str


def say(message: Message, wording: Wording) -> Said:
    """The message in the contact's language."""
    paragraphs = [_paragraph(event, message.made_at, wording) for event in message.events]
    heading = _heading(message, wording)
    return Said(
        subject=_subject(message, wording),
        text="\n".join(_text(message, heading, paragraphs, wording)),
        html=_html(message, heading, paragraphs, wording),
    )


# What both forms are made of.


def _paragraph(event: Event, now: datetime, wording: Wording) -> Paragraph:
    _ = wording.translate
    condition = event.alert.condition
    over = event.kind == "resolved"
    return Paragraph(
        level="ok" if over else condition.level,
        level_word=_(LEVEL_WORDS["ok" if over else condition.level]),
        kind=event.kind,
        kind_word=_(_KINDS[event.kind]),
        code=condition.code,
        message=condition.message(_),
        facts=tuple(_facts(event, now, wording)),
        remedies=() if over else tuple(_remedies(condition, _)),
        proof="" if over or not condition.proof else _(condition.proof),
        page="" if event.kind == "test" else _page(condition, wording),
        ack="" if event.kind in ("resolved", "test") else _ack(event),
    )


def _page(condition: Condition, wording: Wording) -> str:
    if wording.runbook_url:
        return f"{wording.runbook_url.rstrip('/')}/{condition.page}"
    return f"docs/{condition.page}"


def _ack(event: Event) -> str:
    return "" if event.alert.acked_at else f"agentpg notify ack {short_id(event.alert.id)}"


def short_id(value: object) -> str:
    """The end of an id, which differs; its beginning is the time."""
    return str(value)[-8:]


def _facts(event: Event, now: datetime, wording: Wording) -> Iterator[tuple[str, str]]:
    _ = wording.translate
    alert, condition = event.alert, event.alert.condition
    if event.kind == "test":
        return
    over = alert.resolved_at if event.kind == "resolved" else None
    begun = _moment(alert.since, wording.zone)
    lasted = _("for {time}").format(time=_long((over or now) - alert.since))
    yield _(N_("since")), f"{begun} ({lasted})"
    if over is not None:
        yield _(N_("over since")), _moment(over, wording.zone)
        return
    if alert.returns:
        yield _(N_("unsteady")), _(N_("it has come back {times} times")).format(times=alert.returns)
    if condition.cause:
        yield _(N_("likely cause")), condition.reason(_)
    if condition.threshold:
        yield _(N_("threshold")), _(condition.threshold)
    yield from _evidence(condition)


def _evidence(condition: Condition) -> Iterator[tuple[str, str]]:
    shown = {name: value for name, value in condition.evidence.items() if name != "why"}
    for name, value in list(shown.items())[:_MOST_EVIDENCE]:
        label, text = _measured(name, value)
        yield label, textwrap.shorten(text, _LONGEST_VALUE, placeholder=" …")


def _measured(name: str, value: Any) -> tuple[str, str]:
    """A number of the evidence with its unit, which its name has."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if name.endswith("_seconds"):
            return _words(name.removesuffix("_seconds")), _long(timedelta(seconds=value))
        if name.endswith("_bytes"):
            return _words(name.removesuffix("_bytes")), size_in_short(value)
        return _words(name), f"{value:,}"
    if isinstance(value, list | tuple):
        return _words(name), ", ".join(map(str, value))
    return _words(name), "–" if value is None else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _remedies(condition: Condition, translate: Translate) -> Iterator[Do]:
    for remedy in condition.remedies:
        commands = tuple(filter(None, (remedy.command, remedy.sql)))
        sentence = translate(remedy.sentence)
        if remedy.risk in _RISKS:
            sentence = f"{sentence} ({translate(_RISKS[remedy.risk])})"
        yield Do(sentence, commands)


def _heading(message: Message, wording: Wording) -> str:
    _ = wording.translate
    if message.events[0].kind == "test":
        text = _("A test of the way to {contact}, from {target}: it works.")
        return text.format(contact=message.contact, target=message.target)
    firing = sum(event.kind != "resolved" for event in message.events)
    over = len(message.events) - firing
    texts = {
        (True, False): N_("Alerts of {target}: {firing}"),
        (False, True): N_("Alerts of {target}: {over} over"),
        (True, True): N_("Alerts of {target}: {firing}, and {over} over"),
    }
    text = _(texts[bool(firing), bool(over)])
    return text.format(target=message.target, firing=firing, over=over)


def _subject(message: Message, wording: Wording) -> str:
    _ = wording.translate
    first = message.events[0]
    word = _(LEVEL_WORDS[message.level]) if not message.is_over else _(_KINDS["resolved"])
    if first.kind == "test":
        return f"[agentpg] {_(_KINDS['test'])}: {message.target}"
    said = " ".join(first.alert.condition.message(_).split())
    more = f" (+{len(message.events) - 1})" if len(message.events) > 1 else ""
    subject = f"[agentpg {word}] {first.alert.condition.code} {said}"
    return f"{textwrap.shorten(subject, 150, placeholder=' …')}{more} – {message.target}"


def _moment(value: datetime, zone: tzinfo) -> str:
    return value.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def _long(value: timedelta) -> str:
    """A time in its two largest units."""
    left = max(round(value.total_seconds()), 0)
    parts: list[str] = []
    for length, unit in _UNITS:
        number, left = divmod(left, length)
        if number or (unit == "s" and not parts):
            parts.append(f"{number} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])


# As text.


def _text(
    message: Message, heading: str, paragraphs: Sequence[Paragraph], wording: Wording
) -> Iterator[str]:
    yield heading
    if message.direct:
        yield wording.translate(_DIRECT)
    for paragraph in paragraphs[:_MOST_IN_FULL]:
        yield ""
        yield from _paragraph_text(paragraph, wording.translate)
    rest = paragraphs[_MOST_IN_FULL : _MOST_IN_FULL + _MOST_LINES]
    if rest:
        yield ""
    for paragraph in rest:
        yield f"{paragraph.level_word}  {paragraph.code}  {' '.join(paragraph.message.split())}"
    yield ""
    yield f"-- \nagentpg, {_moment(message.made_at, wording.zone)}"


def _paragraph_text(paragraph: Paragraph, translate: Translate) -> Iterator[str]:
    head = f"{paragraph.level_word.upper()}  {paragraph.code}  {paragraph.message}"
    if paragraph.kind not in ("firing", "test"):
        head = f"{head} – {paragraph.kind_word}"
    yield from textwrap.wrap(head, _WIDTH, subsequent_indent="  ")
    for label, value in paragraph.facts:
        yield from _folded(f"{label}: {value}", "  ", "    ")
    for number, do in enumerate(paragraph.remedies, start=1):
        yield from _folded(do.sentence, f"  {number}. ", "     ")
        for command in do.commands:
            yield textwrap.indent(command, "       ")
    if paragraph.proof:
        yield from _folded(paragraph.proof, "  ✓ ", "    ")
    if paragraph.page:
        yield f"  {translate(N_('runbook'))}: {paragraph.page}"
    if paragraph.ack:
        yield f"  {translate(N_('acknowledge'))}: {paragraph.ack}"


def _folded(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


# As HTML.


def _html(message: Message, heading: str, paragraphs: Sequence[Paragraph], wording: Wording) -> str:
    _ = wording.translate
    return (
        _environment()
        .get_template("message.html.j2")
        .render(
            language=wording.language,
            heading=heading,
            direct=_(_DIRECT) if message.direct else "",
            paragraphs=paragraphs[:_MOST_IN_FULL],
            rest=paragraphs[_MOST_IN_FULL : _MOST_IN_FULL + _MOST_LINES],
            what_to_do=_(N_("what to do")),
            runbook=_(N_("runbook")),
            acknowledge=_(N_("acknowledge")),
            linked=bool(wording.runbook_url),
            made_at=_moment(message.made_at, wording.zone),
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("agentpg.notify", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
