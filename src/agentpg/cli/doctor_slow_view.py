"""How the doctor's room for what is slow is shown: findings, who blocks whom, the statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agentpg.cli import figures
from agentpg.cli.doctor_view import level_counts, show_counts, show_each
from agentpg.cli.monitor_activity import state_of
from agentpg.cli.output import Column, Output, in_a_line
from agentpg.cli.wrapping import cell_width, cut
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.doctor.slow.ending import Ended, Seen
    from agentpg.desk.doctor.slow.facts import Facts
    from agentpg.desk.doctor.slow.pace import Pace
    from agentpg.desk.doctor.slow.tree import Node
    from agentpg.desk.finding import Finding


# What takes less of the time is not shown to people.
_LEAST_SHARE = 0.001


def show(
    out: Output, facts: Facts, findings: Sequence[Finding], *, show_all: bool, most: int
) -> None:
    """All of it, for people."""
    from agentpg.desk.doctor.slow.tree import blocking_trees

    if show_each(out, findings, show_all=show_all):
        out.line()
    show_trees(out, blocking_trees(facts))
    _show_statements(out, facts, most)
    show_counts(out, findings)


def show_trees(out: Output, trees: Sequence[Node]) -> None:
    """Who blocks whom, each root with those that wait for it."""
    if not trees:
        return
    out.heading(N_("Who blocks whom"))
    for tree in trees:
        for line in _node_lines(out, tree, "", ""):
            out.line(_fitting(line, out.width))
    out.line()


def _node_lines(out: Output, node: Node, first: str, rest: str) -> Iterator[str]:
    """A node and all below it; `first` begins its first line, `rest` the others."""
    rail = "│ " if node.below else "  "
    called, *more = _told(out, node)
    yield f"{first}{called}"
    yield from (f"{rest}{rail}{text}" for text in more)
    last = len(node.below) - 1
    for number, below in enumerate(node.below):
        corner, rail = ("└─ ", "   ") if number == last else ("├─ ", "│  ")
        yield from _node_lines(out, below, f"{rest}{corner}", f"{rest}{rail}")


def _told(out: Output, node: Node) -> Iterator[str]:
    """What is said of a session, line by line: its process and what it does or waits for, whose
    it is, and its statement."""
    from agentpg.desk.doctor.slow.naming import whose
    from agentpg.desk.doctor.slow.texts import without_values

    called = in_a_line(whose(node.session, node.prepared))
    if not node.pid:
        yield out.translate(N_("prepared transaction {name}")).format(name=called)
        return
    process = out.translate(N_("process {pid}")).format(pid=node.pid)
    yield ", ".join(filter(None, (process, _doing(out, node))))
    if called:
        yield called
    if node.session is not None and node.session.query:
        yield without_values(node.session.query)


def _doing(out: Output, node: Node) -> str:
    if node.wait is not None:
        text = out.translate(N_("waits {time} for {lock}"))
        time = figures.duration(_coarse(node.waiting_seconds))
        return text.format(time=time, lock=node.wait.wanted)
    if node.session is None:
        return ""
    seconds = node.session.query_seconds
    if seconds is None:
        seconds = node.session.state_seconds
    return f"{state_of(node.session, ())} {figures.duration(_coarse(seconds or 0.0))}"


def _coarse(seconds: float) -> float:
    return seconds if seconds < 10 else float(round(seconds))


def _fitting(line: str, width: int) -> str:
    return line if cell_width(line) <= width else f"{cut(line, width - 1)}…"


def _show_statements(out: Output, facts: Facts, most: int) -> None:
    from agentpg.desk.doctor.slow.facts import Statements
    from agentpg.desk.doctor.slow.pace import paces, since_of

    if not isinstance(facts.statements, Statements) or not most:
        return
    found = paces(facts.statements, facts.earlier)[:most]
    listed = [pace for pace in found if pace.share >= _LEAST_SHARE]
    if not listed:
        return
    since = figures.moment(since_of(facts.statements, facts.earlier))
    title = out.translate(N_("What took the time since {moment}"))
    out.heading(title.format(moment=since))
    columns = (
        Column(N_("Share"), right=True),
        Column(N_("Total"), right=True),
        Column(N_("Calls"), right=True),
        Column(N_("Mean"), right=True),
        Column(N_("Before"), right=True),
        Column(N_("Rows"), right=True),
        Column(N_("Read"), show=figures.size, right=True),
        Column(N_("Spilled"), show=figures.size, right=True),
    )
    rows = [_statement_row(out, pace) for pace in listed]
    out.table(columns, rows, below=[pace.statement.text for pace in listed])
    out.line()


def _statement_row(out: Output, pace: Pace) -> tuple[object, ...]:
    from agentpg.desk.doctor.slow.pace import in_short

    one = pace.statement
    before = None if pace.before_milliseconds is None else in_short(pace.before_milliseconds)
    return (
        figures.percent(pace.share),
        figures.duration(pace.milliseconds / 1000),
        pace.calls,
        in_short(pace.mean_milliseconds),
        out.translate(N_("new")) if pace.is_new else before,
        one.rows,
        # Pages are of this size nearly everywhere.
        one.pages_read * 8192,
        one.temp_bytes,
    )


def document(
    facts: Facts, findings: Sequence[Finding], ended: Sequence[Ended] | None
) -> dict[str, object]:
    """The same as JSON has it; `done` only where something was to be ended."""
    from agentpg.desk.doctor.slow.tree import blocking_trees

    said: dict[str, object] = {
        "levels": level_counts(findings),
        "rooms": {"slow": [finding.document() for finding in findings]},
        "blocking": [_node_document(tree) for tree in blocking_trees(facts)],
        "statements": _statements_document(facts),
    }
    if ended is not None:
        said["done"] = [_ended_document(one) for one in ended]
    return said


def _node_document(node: Node) -> dict[str, object]:
    from agentpg.desk.doctor.slow.naming import of_session

    return {
        **of_session(node.session),
        "pid": node.pid,
        "prepared": node.prepared,
        "waits_for": None if node.wait is None else node.wait.wanted,
        "waits_seconds": None if node.wait is None else node.waiting_seconds,
        "blocks": [_node_document(one) for one in node.below],
    }


def _statements_document(facts: Facts) -> dict[str, object] | None:
    """None where nothing counts them."""
    from agentpg.desk.doctor.slow.facts import Statements
    from agentpg.desk.doctor.slow.pace import paces, since_of

    found = facts.statements
    if not isinstance(found, Statements):
        return None
    return {
        "since": since_of(found, facts.earlier),
        "counted_since": found.since,
        "number": found.number,
        "hidden": found.hidden,
        "evictions": found.evictions,
        "dearest": [_pace_document(pace) for pace in paces(found, facts.earlier)],
    }


def _pace_document(pace: Pace) -> dict[str, object]:
    one = pace.statement
    return {
        "id": str(one.id),
        "share": round(pace.share, 4),
        "milliseconds": round(pace.milliseconds, 3),
        "calls": pace.calls,
        "mean_milliseconds": round(pace.mean_milliseconds, 3),
        "before_milliseconds": pace.before_milliseconds,
        "is_new": pace.is_new,
        "longest_milliseconds": one.longest_milliseconds,
        "rows": one.rows,
        "pages_hit": one.pages_hit,
        "pages_read": one.pages_read,
        "read_milliseconds": one.read_milliseconds,
        "temp_bytes": one.temp_bytes,
        "text": one.text,
    }


def _ended_document(ended: Ended) -> dict[str, object]:
    from agentpg.desk.doctor.slow.naming import of_session

    return {
        "way": ended.way,
        "seconds": round(ended.seconds, 3),
        "freed": ended.freed,
        "session": of_session(ended.seen.session),
    }


def show_seen(out: Output, seen: Seen, way: str) -> None:
    """The session that is to be ended, and how."""
    from agentpg.desk.doctor.slow.naming import whose
    from agentpg.desk.doctor.slow.texts import without_values

    one = seen.session
    out.facts(
        (
            (N_("process"), str(one.pid)),
            (N_("whose"), in_a_line(whose(one))),
            (N_("role"), one.role),
            (N_("from"), one.client or None),
            (N_("state"), one.state),
            (N_("transaction open for"), _lasting(one.transaction_seconds)),
            (N_("blocks"), ", ".join(map(str, seen.blocked)) or None),
            (N_("statement"), without_values(one.query)),
            # As it can be typed by whoever would rather do it himself.
            ("SQL", f"SELECT pg_{way}_backend({one.pid})"),
        )
    )


def _lasting(seconds: float | None) -> str:
    return figures.UNKNOWN if seconds is None else figures.duration(_coarse(seconds))


def show_ended(out: Output, ended: Ended) -> None:
    """What became of it."""
    text = N_("The session of process {pid} has ended, after {time}.")
    if ended.way == "cancel":
        text = N_("The statement of process {pid} has ended, after {time}.")
    time = figures.duration(ended.seconds)
    said = out.translate(text).format(pid=ended.seen.session.pid, time=time)
    out.line(f"  ✓ {said}")
    if ended.freed:
        more = out.translate(N_("These wait no longer: {processes}."))
        out.line(f"  ✓ {more.format(processes=', '.join(map(str, ended.freed)))}")
