"""What was acknowledged, written down outside the database."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID


class Book:
    """Submissions that returned, those that were rolled back, and asked cancellations."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._file = file.open("a", buffering=1)
        self._acknowledged: list[UUID] = []
        self._withdrawn: list[UUID] = []
        self._asked: set[UUID] = set()
        self.refused = 0

    def acknowledge(self, ids: Iterable[UUID]) -> None:
        """These were committed."""
        with self._lock:
            for task_id in ids:
                self._acknowledged.append(task_id)
                self._file.write(f"{task_id}\n")

    def withdraw(self, task_id: UUID) -> None:
        """This one's transaction was rolled back."""
        with self._lock:
            self._withdrawn.append(task_id)

    def ask_to_cancel(self, task_id: UUID) -> None:
        """This one may end as cancelled."""
        with self._lock:
            self._asked.add(task_id)

    def refuse(self) -> None:
        """A submission failed; whether it took effect is not known."""
        with self._lock:
            self.refused += 1

    def acknowledged(self) -> list[UUID]:
        """All that must be there."""
        with self._lock:
            return list(self._acknowledged)

    def withdrawn(self) -> list[UUID]:
        """All that must not be there."""
        with self._lock:
            return list(self._withdrawn)

    def asked(self) -> list[UUID]:
        """All that may be cancelled."""
        with self._lock:
            return list(self._asked)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
