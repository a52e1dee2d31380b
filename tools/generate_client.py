"""Writes the synchronous Client from AsyncClient; `--check` only says if it is current."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import unasync  # type: ignore[import-untyped]

SOURCE = Path("src/agentpg/tasks/client_async.py")
TARGET = Path("src/agentpg/tasks/client.py")
BANNER = '''"""Submitting, steering and reading tasks.

Generated from client_async.py by tools/generate_client.py; change that one.
"""
'''
WORDS = {"async with AsyncClient": "with Client", "await client.": "client."}
NAMES = {
    "AsyncClient": "Client",
    "AsyncConnection": "Connection",
    "AsyncCursor": "Cursor",
    "AsyncPool": "Pool",
    "asyncio": "time",
}


def generate() -> str:
    """The text of client.py."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "async"), Path(folder, "sync")
        source.mkdir()
        (source / "client.py").write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
        rule = unasync.Rule(fromdir=f"{source}/", todir=f"{target}/", additional_replacements=NAMES)
        unasync.unasync_files([str(source / "client.py")], [rule])
        text = (target / "client.py").read_text(encoding="utf-8")
    text = text.replace("import time\nimport time\n", "import time\n")
    for words, sync_words in WORDS.items():
        text = text.replace(words, sync_words)
    body = BANNER + text.split('"""\n', 1)[1]
    return _formatted(body)


def _formatted(text: str) -> str:
    ruff = [sys.executable, "-m", "ruff"]
    sort_imports = [
        *ruff,
        "check",
        "--quiet",
        "--select",
        "I",
        "--fix",
        "--stdin-filename",
        "client.py",
        "-",
    ]
    sorted_imports = subprocess.run(
        sort_imports, input=text, text=True, capture_output=True, check=True
    )
    command = [*ruff, "format", "--quiet", "--line-length", "100", "--stdin-filename", "c.py", "-"]
    done = subprocess.run(
        command, input=sorted_imports.stdout, text=True, capture_output=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    wanted = generate()
    if "--check" in sys.argv and TARGET.read_text(encoding="utf-8") != wanted:
        sys.exit(f"{TARGET} is stale: run python {sys.argv[0]}")
    TARGET.write_text(wanted, encoding="utf-8")
