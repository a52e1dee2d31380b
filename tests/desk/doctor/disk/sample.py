"""Facts of a disk that is well, for tests that change one of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agentpg.desk.doctor.disk.facts import (
    Archiver,
    Facts,
    Logs,
    OpenFiles,
    Orphans,
    Place,
    Server,
    Slot,
    Volume,
    Wal,
)

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
MIB = 1024**2
DEVICE = 7


def a_volume(**other: Any) -> Volume:
    """A file system of 1000 MB with half of it free."""
    said = {
        "device": DEVICE,
        "mount": "/data",
        "places": ("data", "wal", "logs", "backups", "home"),
        "size_bytes": 1000 * MIB,
        "free_bytes": 500 * MIB,
        "inodes": 10_000,
        "free_inodes": 9_000,
    }
    return Volume(**{**said, **other})


def a_server(**other: Any) -> Server:
    """A server that says all."""
    said = {
        "role": "monitor",
        "database": "agentic_ai",
        "database_oid": 5,
        "server_version": 180000,
        "in_recovery": False,
        "data_folder": "/data/pg",
        "log_folder": "log",
        "collects_logs": True,
        "log_filename": "postgresql-%a.log",
        "log_rotation_minutes": 1440,
        "log_rotation_kilobytes": 0,
        "segment_bytes": 16 * MIB,
        "max_wal_bytes": 200 * MIB,
        "wal_keep_bytes": 0,
        "max_slot_wal_bytes": 100 * MIB,
        "has_pgstattuple": False,
        "sees_all": True,
        "started_at": NOW - timedelta(days=3),
        "asked_at": NOW,
    }
    return Server(**{**said, **other})


def a_slot(**other: Any) -> Slot:
    """A slot that keeps nothing."""
    said = {
        "name": "replica",
        "kind": "physical",
        "active": True,
        "process": 41,
        "wal_status": "reserved",
        "retained_bytes": 0,
        "inactive_since": None,
        "horizon_age": 0,
    }
    return Slot(**{**said, **other})


def facts(volume: Volume | None = None, **other: Any) -> Facts:
    """Facts where all is well but for what is said."""
    volume = volume or a_volume()
    there = [Place(role=role, folder=Path("/data"), device=DEVICE) for role in volume.places]
    well = Facts(
        now=NOW,
        data=Path("/data/pg"),
        places=tuple(there),
        unseen={},
        volumes=(volume,),
        server=a_server(),
        databases=(("agentic_ai", 100 * MIB),),
        tables=(),
        wal=Wal(files=2, size_bytes=32 * MIB, waiting=0),
        slots=(),
        archiver=Archiver(
            is_on=False,
            command=None,
            failing=False,
            last_failed=None,
            failed_at=None,
            last_archived_at=None,
        ),
        spills=(),
        logs=Logs(folder="/data/log", files=()),
        kept=None,
        open_files=OpenFiles(files=()),
        orphans=Orphans(files=(), size_bytes=0),
        holders=(),
        samples=(),
        ballasts=(),
    )
    return replace(well, **other)
