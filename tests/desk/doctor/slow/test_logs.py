"""What is read from a server's log, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentpg.desk.doctor.slow.logs import entries_of
from agentpg.desk.doctor.slow.troubles import troubles_of

pytestmark = pytest.mark.without_server

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)

_LOG = """\
of a line that was cut
2026-02-27 10:00:00.000 UTC [10] a@b psql LOG:  duration: 9000.000 ms  statement: SELECT old
2026-03-02 09:00:00.123 UTC [11] a@b psql LOG:  duration: 2500.125 ms  statement: SELECT *
\tFROM users WHERE name = 'hunter2'
2026-03-02 09:00:01.000 UTC [11] a@b psql LOG:  duration: 1200.000 ms  execute <unnamed>: SELECT $1
2026-03-02 09:00:01.000 UTC [11] a@b psql DETAIL:  parameters: $1 = 'hunter2'
2026-03-02 09:00:02.000 UTC [12] a@b psql LOG:  process 12 still waiting for ShareLock on \
transaction 771 after 1000.250 ms
2026-03-02 09:00:02.000 UTC [12] a@b psql DETAIL:  Process holding the lock: 11.
2026-03-02 09:00:02.000 UTC [12] a@b psql STATEMENT:  UPDATE t SET a = 'hunter2'
2026-03-02 09:00:03.000 UTC [13] a@b psql ERROR:  deadlock detected
2026-03-02 09:00:03.000 UTC [13] a@b psql DETAIL:  Process 13 waits for ShareLock on \
transaction 1; blocked by process 14.
\tProcess 14 waits for ShareLock on transaction 2; blocked by process 13.
\tProcess 13: UPDATE t SET a = 1
\tProcess 14: DELETE FROM t WHERE a = 'hunter2'
2026-03-02 09:00:04.000 UTC [15] a@b psql ERROR:  canceling statement due to lock timeout
2026-03-02 09:00:04.000 UTC [15] a@b psql STATEMENT:  LOCK TABLE t
2026-03-02 09:00:04.000 UTC [15] a@b psql STATEMENT:  of somebody else
2026-03-02 09:00:05.000 UTC [16] a@b psql LOG:  connection authorized: password=hunter2
"""


def test_slow_statements_waits_deadlocks_and_time_outs_are_read() -> None:
    found = entries_of(_LOG, NOW)
    assert [(one.kind, one.pid, one.milliseconds, one.text) for one in found] == [
        ("slow", 11, 2500.125, "SELECT * FROM users WHERE name = ?"),
        ("slow", 11, 1200.0, "SELECT $1"),
        ("wait", 12, 1000.25, "ShareLock on transaction: UPDATE t SET a = ?"),
        ("deadlock", 13, None, "UPDATE t SET a = ?; DELETE FROM t WHERE a = ?"),
        ("timeout", 15, None, "lock timeout: LOCK TABLE t"),
    ]
    assert found[0].at == "2026-03-02 09:00:00"
    assert "hunter2" not in repr(found)


def test_without_a_clock_nothing_is_too_old() -> None:
    assert len(entries_of(_LOG)) == 6
    assert entries_of("") == []


def test_errors_of_the_server_are_counted_by_kind() -> None:
    now = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    at = "2026-03-01 12:{:02}:00.123 UTC [77] admin@shop {}"
    said = (
        'ERROR:  could not resize shared memory segment "/PostgreSQL.1" to 8 bytes: '
        "No space left on device",
        'ERROR:  temporary file size exceeds "temp_file_limit" (64kB)',
        'ERROR:  temporary file size exceeds "temp_file_limit" (64kB)',
        "LOG:  client backend (PID 9) was terminated by signal 9: Killed",
        "STATEMENT:  SELECT 'ERROR:  out of memory'",
    )
    lines = [at.format(10 + number, text) for number, text in enumerate(said)]
    lines.append(
        "2026-02-20 12:00:00.000 UTC [77] PANIC:  could not write: No space left on device"
    )
    found = [(one.kind, one.times, one.seconds_ago) for one in troubles_of("\n".join(lines), now)]
    assert found == [
        ("shared memory", 1, 1200.0),
        ("temporary files", 2, 1080.0),
        ("killed", 1, 1020.0),
    ]
