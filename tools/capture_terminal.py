"""Runs commands in a terminal of 80 columns and draws what it shows, as SVG.

    python tools/capture_terminal.py docs/pictures/terminal.svg 'agentpg status' …

The commands run where you are, on the installation that is configured.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

COLUMNS = 80

_THEME = TerminalTheme(
    (22, 27, 34),
    (230, 237, 243),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
)

_FOREIGN = re.compile(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", re.DOTALL)
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono"


def capture(command: str) -> str:
    """What a command shows on a terminal, colours included."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        ["bash", "-c", command],
        stdout=theirs,
        stderr=theirs,
        stdin=subprocess.DEVNULL,
        env=environment,
    )
    os.close(theirs)
    shown = b""
    while piece := _read(ours):
        shown += piece
    process.wait()
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def draw(commands: list[str]) -> str:
    """All commands with what they show, as one picture."""
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    for number, command in enumerate(commands):
        if number:
            console.print()
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
        console.print(Text.from_ansi(capture(command).rstrip("\n")), soft_wrap=True)
    # The picture stands by itself: no font is fetched.
    picture = console.export_svg(title="agentpg", theme=_THEME)
    return _FOREIGN.sub("", picture).replace("Fira Code", _FONTS)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


if __name__ == "__main__":
    target, *typed = sys.argv[1:]
    Path(target).write_text(draw(typed), encoding="utf-8")
