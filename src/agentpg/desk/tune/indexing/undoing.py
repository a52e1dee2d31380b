"""The file that undoes a change of an index: plain SQL, run by psql."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from agentpg.errors import FileNotWritten

_HEAD = """\
-- Undoes: {done}
--   psql --no-psqlrc --set ON_ERROR_STOP=1 --file THIS_FILE
-- It is not for a transaction: rows can be written meanwhile.
\\set ON_ERROR_STOP on
SET lock_timeout = '1min';
"""


def write_undo(home: Path, kind: str, name: str, done: str, statements: Sequence[str]) -> Path:
    """A new file that only its owner reads, on the disk before the change is made.

    Raises FileNotWritten.
    """
    folder = home / "undo"
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = folder / f"{moment}-{kind}-{re.sub(r'[^A-Za-z0-9_.]', '_', name)}.sql"
    # A name may have line breaks: what is behind one would run.
    text = _HEAD.format(done=" ".join(done.splitlines())) + "".join(
        f"{one};\n" for one in statements
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from error
    return path


def built_concurrently(definition: str) -> str:
    """The same CREATE INDEX, while rows are written.

    >>> built_concurrently("CREATE INDEX a ON public.t USING btree (b)")
    'CREATE INDEX CONCURRENTLY a ON public.t USING btree (b)'
    """
    return re.sub(r"^(CREATE (?:UNIQUE )?INDEX) ", r"\1 CONCURRENTLY ", definition)
