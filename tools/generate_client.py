"""Writes the synchronous clients from the async ones; `--check` only says if they are current."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import unasync  # type: ignore[import-untyped]

FOLDER = Path("src/agentpg/tasks")
CLIENTS = ("agents_client", "schedules_client", "submissions", "client")
NOTE = "Generated from {source}_async.py by tools/generate_client.py; change that one."
WORDS = {"async with AsyncClient": "with Client", "await client.": "client."}
NAMES = {
    "AsyncAgents": "Agents",
    "AsyncClient": "Client",
    "AsyncConnection": "Connection",
    "AsyncCursor": "Cursor",
    "AsyncGathering": "Gathering",
    "AsyncPool": "Pool",
    "AsyncSchedules": "Schedules",
    "AsyncSubmissions": "Submissions",
    "agents_client_async": "agents_client",
    "schedules_client_async": "schedules_client",
    "submissions_async": "submissions",
    "asyncio": "time",
}


def generate(client: str) -> str:
    """The text of a synchronous client."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "async"), Path(folder, "sync")
        source.mkdir()
        (source / "client.py").write_text(_source(client), encoding="utf-8")
        rule = unasync.Rule(fromdir=f"{source}/", todir=f"{target}/", additional_replacements=NAMES)
        unasync.unasync_files([str(source / "client.py")], [rule])
        text = (target / "client.py").read_text(encoding="utf-8")
    text = text.replace("import time\nimport time\n", "import time\n")
    for words, sync_words in WORDS.items():
        text = text.replace(words, sync_words)
    meaning, body = text.split('"""\n', 1)
    return _formatted(f'{meaning}\n\n{NOTE.format(source=client)}\n"""\n{body}')


def _source(client: str) -> str:
    return (FOLDER / f"{client}_async.py").read_text(encoding="utf-8")


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
    for name in CLIENTS:
        target, wanted = FOLDER / f"{name}.py", generate(name)
        if "--check" not in sys.argv:
            target.write_text(wanted, encoding="utf-8")
        elif target.read_text(encoding="utf-8") != wanted:
            sys.exit(f"{target} is stale: run python {sys.argv[0]}")
