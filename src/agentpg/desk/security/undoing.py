"""How what the audit has changed is taken back, by a file that is written before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from agentpg.desk import undo_file
from agentpg.desk.doctor.fixing import refusal
from agentpg.desk.finding import Remedy
from agentpg.desk.undo_file import Place, UndoFile, odd
from agentpg.language import N_


def write_undo(home: Path, remedies: Sequence[Remedy], now: datetime, place: Place) -> Path | None:
    """Write what takes them back, the last one first; None where there is nothing to write.

    Raises FileNotWritten.
    """
    steps = tuple(remedy.undo for remedy in reversed(remedies) if remedy.undo)
    if not steps:
        return None
    file = UndoFile(kind="security", statements=steps, place=place)
    return undo_file.write_undo(home, file, done="agentpg security audit --fix", now=now)


def read_undo(path: Path) -> UndoFile:
    """What a file takes back. Raises FileNotRead, and UndoUnreadable for what is no such file."""
    file = undo_file.read_undo(path, "security")
    if not file.statements or refusal(remedy_of(file)):
        raise odd(path)
    return file


def remedy_of(file: UndoFile) -> Remedy:
    """Taking it back, as the doctor does what is safe."""
    sql = "".join(f"{statement};\n" for statement in file.statements)
    return Remedy(sentence=N_("Take back what was changed."), sql=sql, risk="safe")
