"""Where the log was seen to end, kept in a file beside the database and not in it.

Who may change the database cannot change what was seen of it. The file holds one place for each
installation, with its moment.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentpg.audit.chain import Anchor
from agentpg.embedded.folder import write_file
from agentpg.errors import FileNotRead, FileNotWritten


@dataclass(frozen=True, slots=True)
class Anchors:
    """The file of a home."""

    path: Path

    @classmethod
    def of(cls, home: Path) -> Anchors:
        """That of this home."""
        return cls(home / "audit" / "seen.json")

    def seen(self, target: str) -> tuple[Anchor, datetime] | None:
        """What was seen last of an installation. Raises FileNotRead."""
        kept = self._read().get(target)
        if kept is None:
            return None
        try:
            return Anchor.parse(kept["anchor"]), datetime.fromisoformat(kept["seen_at"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileNotRead(str(error), path=self.path) from error

    def keep(self, target: str, anchor: Anchor) -> None:
        """Remember what was seen now. Raises FileNotRead, FileNotWritten."""
        kept = {"anchor": str(anchor), "seen_at": datetime.now(UTC).isoformat()}
        text = json.dumps({**self._read(), target: kept}, ensure_ascii=False, indent=2)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(self.path, f"{text}\n", 0o600)
        except OSError as error:
            raise FileNotWritten(error.strerror or str(error), path=self.path) from error

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise FileNotRead(str(error), path=self.path) from error
        if not isinstance(kept, dict):
            raise FileNotRead("it holds no places of a log", path=self.path)
        return kept
