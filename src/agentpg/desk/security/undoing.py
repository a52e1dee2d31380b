"""How what was changed is taken back: a file of SQL, written before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from agentpg.desk.doctor.fixing import refusal
from agentpg.desk.files import create_files
from agentpg.desk.finding import Remedy
from agentpg.errors import FileNotRead
from agentpg.language import N_

_FOLDER = "undo"

_NOT_OURS = N_("it has a statement that no undo has")


def write_undo(home: Path, remedies: Sequence[Remedy], now: datetime) -> Path | None:
    """Write what takes them back, the last one first; None where there is nothing to write.

    Raises FileNotWritten.
    """
    steps = [f"{remedy.undo};" for remedy in reversed(remedies) if remedy.undo]
    if not steps:
        return None
    text = "\n".join((f"-- What takes back the changes of {now:%Y-%m-%d %H:%M:%S %Z}.", *steps, ""))
    [path] = create_files(home / _FOLDER, f"security-{now:%Y%m%dT%H%M%S}", {".sql": text})
    return path


def read_undo(path: Path) -> Remedy:
    """What a file takes back. Raises FileNotRead, also for what is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileNotRead(getattr(error, "strerror", None) or str(error), path=path) from None
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    remedy = Remedy(sentence=N_("Take back what was changed."), sql="\n".join(lines), risk="safe")
    if not remedy.sql.strip() or refusal(remedy):
        raise FileNotRead(_NOT_OURS, path=path)
    return remedy
