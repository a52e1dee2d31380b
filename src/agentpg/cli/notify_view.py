"""How alerts, silences, contacts and tries are shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agentpg.cli import figures
from agentpg.cli.doctor_view import show_finding
from agentpg.cli.output import Column, Output, in_a_line
from agentpg.cli.wrapping import wrap
from agentpg.desk.alerting.looking import finding_of
from agentpg.errors import AgentpgError, NotTold
from agentpg.language import N_
from agentpg.notify.rendering import short_id

if TYPE_CHECKING:
    from agentpg.cli.notify_testing import Tried
    from agentpg.notify.alert import Alert, Silence
    from agentpg.notify.policy import Policy

_STATES = {
    "pending": N_("about to fire"),
    "firing": N_("fires"),
    "acked": N_("acknowledged"),
    "silenced": N_("silenced"),
    "ending": N_("about to end"),
}


def alert_document(alert: Alert) -> dict[str, Any]:
    """As JSON has it."""
    return {
        **alert.document(),
        "short_id": short_id(alert.id),
        "fingerprint": alert.fingerprint,
        "message": alert.condition.message(),
        "page": alert.condition.page,
    }


def show_alerts(out: Output, alerts: Sequence[Alert], silences: Sequence[Silence]) -> None:
    """A line for each, with who takes care of it."""
    now = datetime.now(UTC)
    columns = (
        Column(N_("Id")),
        Column(N_("Level"), state=True),
        Column(N_("State")),
        Column(N_("For"), show=lambda since: figures.age(since, now)),
        Column(N_("Code")),
        Column(N_("Whose"), yields=1),
    )
    rows = [
        (
            short_id(one.id),
            one.condition.level,
            out.translate(_STATES[_state(one, silences, now)]),
            one.since,
            one.condition.code,
            one.acked_by or ", ".join(one.told) or None,
        )
        for one in alerts
    ]
    messages = [in_a_line(one.condition.message(out.translate)) for one in alerts]
    out.table(columns, rows, empty=N_("No alert is open."), below=messages)


def show_alert(out: Output, alert: Alert) -> None:
    """All of one."""
    show_finding(out, finding_of(alert.condition))
    told = ", ".join(alert.told) or None
    out.facts(
        (
            (N_("id"), short_id(alert.id)),
            (N_("since"), alert.since),
            (N_("seen last"), alert.seen_at),
            (N_("told"), told),
            (N_("told last"), alert.told_at),
            (N_("escalated"), alert.escalated_at),
            (N_("acknowledged by"), alert.acked_by),
            (N_("note"), alert.ack_note),
            (N_("page"), f"docs/{alert.condition.page}"),
        )
    )


def show_silences(out: Output, silences: Sequence[Silence]) -> None:
    """A line for each; nothing where there are none."""
    if not silences:
        return
    columns = (
        Column(N_("Silence")),
        Column(N_("Until")),
        Column(N_("Matches"), yields=2),
        Column(N_("By"), yields=1),
    )
    rows = [(short_id(one.id), one.ends_at, matched(one), one.owner) for one in silences]
    out.line()
    out.table(columns, rows, below=[in_a_line(one.reason) for one in silences])


def matched(silence: Silence) -> str:
    """What it matches, as it is typed."""
    return " ".join(f"{name}={pattern}" for name, pattern in silence.matchers.items())


def contacts_document(policy: Policy) -> dict[str, Any]:
    """As JSON has it: without the secrets."""
    return {
        "contacts": {
            name: {"language": one.language, "email": one.addresses, "ways": one.ways}
            for name, one in policy.contacts.items()
        },
        "routes": policy.routes,
        "level": policy.level,
    }


def show_contacts(out: Output, policy: Policy) -> None:
    """Who can be told how, and the routes."""
    columns = (
        Column(N_("Contact")),
        Column(N_("Language")),
        Column(N_("Ways")),
        Column(N_("E-mail"), yields=1),
    )
    rows = [
        (name, one.language, ", ".join(one.ways) or None, ", ".join(one.addresses) or None)
        for name, one in policy.contacts.items()
    ]
    out.table(columns, rows)
    if not any(one.ways for one in policy.contacts.values()):
        out.line()
        text = N_(
            "Nobody is told of alerts: AGENTPG_NOTIFY_DBA_EMAIL and AGENTPG_NOTIFY_OPS_EMAIL say "
            "to whom mail goes."
        )
        for line in wrap(out.translate(text), out.width):
            out.line(line)
    if policy.routes:
        out.line()
        _show_routes(out, policy)


def _show_routes(out: Output, policy: Policy) -> None:
    columns = (Column(N_("Code or room")), Column(N_("From")), Column(N_("Told")))
    rows = [
        (one.pattern, one.level, ", ".join(one.contacts) or out.translate(N_("nobody")))
        for one in policy.routes
    ]
    rest = (out.translate(N_("all others")), policy.level, out.translate(N_("their own contact")))
    out.table(columns, [*rows, rest])


def show_tried(out: Output, results: Sequence[Tried]) -> None:
    """What came of each way."""
    for one in results:
        state = "ok" if one.error is None else "failed"
        lead = f"{one.contact} {one.way}"
        taken = out.translate(N_("taken in {time}")).format(time=figures.duration(one.seconds))
        text = taken if one.error is None else _reason(one.error, out)
        out.stated(lead, state, text)


def _reason(error: AgentpgError, out: Output) -> str:
    """Why it was not taken; by whom and how is said beside it."""
    if isinstance(error, NotTold):
        return out.translate(str(error.values["reason"]))
    return f"{error.message(out.translate)}. {error.advice(out.translate)}"


def _state(alert: Alert, silences: Sequence[Silence], now: datetime) -> str:
    if any(one.covers(alert.condition, now) for one in silences):
        return "silenced"
    if alert.state == "firing" and alert.clear:
        return "ending"
    if alert.acked_at is not None:
        return "acked"
    return alert.state
