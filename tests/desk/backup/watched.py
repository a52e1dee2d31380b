"""An installation whose backups are looked at: real records in a real folder, a real server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import source_of
from agentpg.desk.backup.inspection.facts import Facts
from agentpg.desk.backup.inspection.findings import find
from agentpg.desk.backup.inspection.looking import look_at_backups
from agentpg.desk.backup.inspection.policy import policy_of
from agentpg.desk.backup.model import Backup, Check, Drill, StoredFile
from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.desk.backup.storage.records import complete, key_of, name_for, write_drill
from agentpg.desk.doctor.backup import examine
from agentpg.desk.finding import Finding
from agentpg.settings import Settings, load_settings
from tests.desk.backup.sample import a_backup, a_drill

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PASSED = (Check(name="contents", outcome="passed"),)


class Watched:
    """The database as the role that makes backups, and the repository of its backups."""

    def __init__(self, database: Database, place: Path) -> None:
        self.database = database
        self.repository: Folder = open_folder(place)
        self.settings: dict[str, Any] = {"backup_repository": str(place), "home": str(place.parent)}

    def load(self) -> Settings:
        """The settings as they are now."""
        return load_settings(**self.settings)

    def backup(self, age: timedelta, size: int = 1000, **other: Any) -> Backup:
        """A backup of this age, with its files."""
        taken = datetime.now(UTC) - age
        said = {
            "name": name_for(other.get("kind", "dump"), taken),
            "source": source_of(self.database),
            "begun_at": taken,
            "taken_at": taken,
            "ended_at": taken + timedelta(minutes=5),
            "files": (StoredFile(path="data/toc.dat", size_bytes=size, sha256="0" * 64),),
            "source_bytes": 10_000,
        }
        made = a_backup(**{**said, **other})
        for file in made.files:
            self.repository.write(key_of(made.name, file.path), b"x" * file.size_bytes)
        complete(self.repository, made)
        return made

    def drill(
        self, backup: Backup, age: timedelta, checks: tuple[Check, ...] = PASSED, **other: Any
    ) -> Drill:
        """A drill of it that ended so long ago."""
        ended = datetime.now(UTC) - age
        begun = ended - timedelta(minutes=2)
        drill = a_drill(backup.name, begun_at=begun, ended_at=ended, checks=checks, **other)
        write_drill(self.repository, drill)
        return drill

    def healthy(self) -> Sequence[Backup]:
        """Two backups and a drill, and a key for new ones."""
        older, newer = self.backup(DAY), self.backup(HOUR)
        self.drill(newer, HOUR / 2)
        return older, newer

    def facts(self) -> Facts:
        """What is looked at."""
        return look_at_backups(self.database, self.load())

    def judge(self, facts: Facts) -> dict[str, Finding]:
        """What is said of facts, by code."""
        return {finding.code: finding for finding in find(facts, policy_of(self.load()))}

    def findings(self) -> dict[str, Finding]:
        """What the doctor says, by code."""
        return {finding.code: finding for finding in examine(self.database, self.load())}

    def levels(self, *codes: str) -> dict[str, str]:
        """The levels of these, or of all that are not ok."""
        found = self.findings()
        wanted = codes or [code for code, finding in found.items() if finding.level != "ok"]
        return {code: found[code].level for code in wanted}

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement."""
        with connect(self.database) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []
