"""Records of backups as they are in a repository, for tests that need no server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from agentpg.desk.backup.model import Backup, Check, Difference, Drill, Source, StoredFile
from agentpg.desk.backup.recovery.targets import Copy
from agentpg.desk.backup.recovery.wal import SEGMENT_BYTES, Segment, lsn_text
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.records import complete

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

SOURCE = Source(
    system_identifier="7300000000000000001",
    database="agentic_ai",
    schema="agentic_ai",
    server_version=150018,
    target="localhost:5432/agentic_ai",
)


def a_backup(name: str = "20260301T120000Z-dump", **other: Any) -> Backup:
    """A backup that was begun at noon and took five minutes."""
    said: dict[str, Any] = {
        "name": name,
        "kind": "dump",
        "source": SOURCE,
        "begun_at": NOON,
        "taken_at": NOON + timedelta(seconds=1),
        "ended_at": NOON + timedelta(minutes=5),
        "lsn": "0/1A2B3C8",
        "agentpg_version": "0.1.0",
        "tool_version": "15.18",
        "compression": "gzip:6",
        "files": (
            StoredFile(path="manifest.json", size_bytes=100, sha256="0" * 64),
            StoredFile(path="data/toc.dat", size_bytes=1000, sha256="1" * 64),
        ),
        "source_bytes": 5_000_000,
        "tables": 12,
        "rows": 3456,
        "details": {"globals": True},
    }
    return Backup(**{**said, **other})


def a_drill(backup: str = "20260301T120000Z-dump", **other: Any) -> Drill:
    """A drill of it an hour later that passed."""
    said: dict[str, Any] = {
        "backup": backup,
        "begun_at": NOON + timedelta(hours=1),
        "ended_at": NOON + timedelta(hours=1, minutes=2),
        "restore": timedelta(seconds=61.5),
        "checks": (Check(name="contents", outcome="passed"),),
        "host": "db1",
        "server_version": 150018,
        "agentpg_version": "0.1.0",
    }
    return Drill(**{**said, **other})


def store_base(folder: Folder, day: int, segment: int, timeline: int = 1, **other: Any) -> Backup:
    """A base backup that began in this segment and ended in the next one."""
    at = NOON + timedelta(days=day)
    start, stop = (lsn_text(number * SEGMENT_BYTES + 40) for number in (segment, segment + 1))
    copy = Copy(
        timeline=timeline,
        start_lsn=start,
        stop_lsn=stop,
        stopped_at=at,
        mark="mark",
        segment_bytes=SEGMENT_BYTES,
        held_seconds=0.1,
        held_up_seconds=0.1,
        attempts=1,
        superuser="postgres",
    )
    said = {"kind": "base", "taken_at": at, "lsn": stop, "details": copy.document(), **other}
    backup = a_backup(f"{at:%Y%m%dT%H%M%SZ}-base{segment}", **said)
    complete(folder, backup)
    return backup


def store_segments(folder: Folder, timeline: int, *numbers: int, form: str = ".gz") -> None:
    """Files of a few bytes by the names of segments."""
    for number in numbers:
        folder.write(
            f"wal/{SOURCE.system_identifier}/{Segment(timeline, number).name()}{form}",
            b"1234567890",
        )


FAILED = Check(
    name="contents",
    outcome="failed",
    reason="one table differs",
    differences=(Difference(subject="tasks", expected="10 rows", found="9 rows"),),
)
