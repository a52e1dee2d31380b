"""What becomes of tasks that had not ended when the backup was made, or at the moment to which a
cluster was recovered.

They have ended since, or others have done their work: a restored database must not run them
once more by itself. So they are held, before anybody can connect, until somebody has looked. The
same goes for what was replaced and is put back: its tasks may have run in what replaced it.
"""

from __future__ import annotations

from typing import Literal

from agentpg.db import Database, Statements, connect, driver_errors
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.restore.confined import change_confined

# Why a task is held in what stood still while another took its place.
PUT_BACK = "it may have run in what was in the place of this cluster or database"

Unfinished = Literal["keep", "hold", "fail"]
UNFINISHED: tuple[Unfinished, ...] = ("hold", "keep", "fail")

_REASON = "restored from the backup {name} of {moment:%Y-%m-%d %H:%M:%S %Z}"
_STEPS = ("close_executions", "end_workers", "leave_out_ticks")
_RECOVERED = "recovered from the backup {name} to {target}"


def reason_of(backup: Backup) -> str:
    """Why a task of this backup is held or has failed."""
    return _REASON.format(name=backup.name, moment=backup.taken_at)


def reason_of_recovery(backup: Backup, target: Target) -> str:
    """Why a task of a cluster that was recovered to this target is held or has failed."""
    return _RECOVERED.format(name=backup.name, target=target)


def settle_unfinished(database: Database, reason: str, choice: Unfinished) -> int:
    """Hold, fail or keep the unfinished tasks of a restored database; how many there are.

    But for `keep`, executions that were under way end as lost, workers of that time are over,
    and ticks that schedules have missed since are left out. Nothing that belongs to others runs as
    a superuser meanwhile (`confined.py`).
    """
    sql = Statements("restore", database.schema)
    with (
        driver_errors(database.target()),
        connect(database, "agentpg backup restore") as connection,
        connection.transaction(),
    ):
        connection.execute(sql["find_only_own"])
        [(there,)] = connection.execute(sql["has_tasks"], {"schema": database.schema}).fetchall()
        if not there:
            return 0
        steps = () if choice == "keep" else (*_STEPS, f"{choice}_unfinished")
        return change_confined(connection, sql, "count_unfinished", steps, {"reason": reason})
