"""What `agentpg backup recover` says of what it has done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentpg.cli.backup_words import HELD, SUBSCRIPTIONS_OFF
from agentpg.cli.session import Session
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.backup.recovery.aiming import Aim
    from agentpg.desk.backup.recovery.recovering import Recovered
    from agentpg.desk.backup.recovery.settling import Settled
    from agentpg.desk.backup.restore.unfinished import Unfinished


def show_recovered(session: Session, recovered: Recovered, choice: Unfinished) -> None:
    """Where it stopped, and what was stopped in it."""
    number = recovered.unfinished
    session.out.facts(
        (
            (N_("stopped"), recovered.stopped or session.translate(N_("at the end of the WAL"))),
            (N_("last commit"), recovered.last_commit or None),
            (N_("position"), recovered.lsn),
            (N_("new timeline"), str(recovered.timeline)),
            (N_("recovered in"), recovered.took),
            *([] if number is None else [(N_("unfinished tasks"), number)]),
        )
    )
    say_settled(session, recovered, choice)


def say_settled(session: Session, settled: Recovered | Settled, choice: Unfinished) -> None:
    """What it does not go on with, and how it is let."""
    if settled.unfinished and choice == "hold":
        session.out.line(session.translate(HELD))
    if settled.subscriptions:
        session.out.facts([(N_("subscriptions"), ", ".join(settled.subscriptions))])
        session.out.line(session.translate(SUBSCRIPTIONS_OFF))


def say_how_to_start(session: Session, aim: Aim, home: Path, timeline: int) -> None:
    """The commands that start it, or put it in place."""
    from agentpg.desk.backup.recovery.homes import steps_to_replace

    session.out.line()
    if (home / "postgresql" / "data" / "postgresql.conf").is_file():
        session.out.line(session.translate(N_("Start it, beside the present one:")))
        session.out.line(f"  agentpg --home {home} server start")
        return
    session.out.line(session.translate(N_("Put it in the place of the server that was:")))
    for step in steps_to_replace(aim.backup, home, timeline):
        session.out.line(f"  {step}")


def document(recovered: Recovered) -> dict[str, object]:
    """As JSON has it."""
    return {
        "folder": recovered.folder,
        "timeline": recovered.timeline,
        "lsn": recovered.lsn,
        "stopped": recovered.stopped,
        "last_commit": recovered.last_commit,
        "recovery_seconds": recovered.took,
        "unfinished": recovered.unfinished,
        "subscriptions": recovered.subscriptions,
    }
