"""What becomes of tasks that had not ended when the backup was made.

They have ended since, or others have done their work: a restored database must not run them
once more by itself. So they are held, before anybody can connect, until somebody has looked.
"""

from __future__ import annotations

from typing import Literal

from agentpg.db import Database, Statements, connect, driver_errors
from agentpg.desk.backup.model import Backup

Unfinished = Literal["keep", "hold", "fail"]
UNFINISHED: tuple[Unfinished, ...] = ("hold", "keep", "fail")

_REASON = "restored from the backup {name} of {moment:%Y-%m-%d %H:%M:%S %Z}"


def reason_of(backup: Backup) -> str:
    """Why a task of this backup is held or has failed."""
    return _REASON.format(name=backup.name, moment=backup.taken_at)


def settle_unfinished(database: Database, backup: Backup, choice: Unfinished) -> int:
    """Hold, fail or keep the unfinished tasks of a restored database; how many there are.

    But for `keep`, executions that were under way end as lost, workers of that time are over,
    and ticks that schedules have missed since are left out.
    """
    sql = Statements("restore", database.schema)
    reason = {"reason": reason_of(backup)}
    with (
        driver_errors(database.target()),
        connect(database, "agentpg backup restore") as connection,
        connection.transaction(),
    ):
        [(there,)] = connection.execute(sql["has_tasks"], {"schema": database.schema}).fetchall()
        if not there:
            return 0
        [(number,)] = connection.execute(sql["count_unfinished"]).fetchall()
        if choice != "keep":
            for step in ("close_executions", "end_workers", "leave_out_ticks"):
                connection.execute(sql[step])
            connection.execute(sql[f"{choice}_unfinished"], reason)
    return int(number)
