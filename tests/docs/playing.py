"""Doing what a page says, block by block, in a fresh folder."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.docs.pages import DRAWN, ROOT, Block, Page
from tests.docs.shown import missing_line
from tests.docs.terminal import Done, Staying, Terminal, commands


class Player:
    """One reader at one page."""

    def __init__(self, page: Page, folder: Path, environment: dict[str, str]) -> None:
        self._page = page
        self._folder = folder / "page"
        self._folder.mkdir()
        self._behind = folder / "behind"
        self._behind.mkdir()
        self._environment = environment
        self._terminal = Terminal(self._folder, environment, self._behind)
        self._printed = ""
        self._stack = ExitStack()
        self._ways: dict[str, Callable[[Block], None]] = {
            "console": self._type,
            "bash": self._run_script,
            "python": self._run_python,
            "sql": self._run_sql,
        }

    def play(self) -> None:
        """Do all of it; raises AssertionError with the line of the block that failed."""
        with self._stack:
            for block in self._page.blocks():
                self._block = block
                self._do(block)

    def _do(self, block: Block) -> None:
        if "not run" in block:
            assert block.marks["not run"], self._at("there is no reason")
        elif "output" in block:
            self._compare(block.text)
        elif "file" in block or "example" in block:
            self._save(block)
        elif "terminal" in block:
            self._stay(block)
        elif block.language not in DRAWN:
            assert block.language in self._ways, self._at(f"nothing runs {block.language!r}")
            self._ways[block.language](block)

    def _save(self, block: Block) -> None:
        name = block.marks.get("file") or block.marks["example"]
        if "example" in block:
            same = (ROOT / "examples" / name).read_text(encoding="utf-8")
            assert block.text == same, self._at(f"this is not examples/{name}")
        target = self._terminal.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.text, encoding="utf-8")

    def _type(self, block: Block) -> None:
        for command, shown in commands(block.text):
            self._finish(self._terminal.run(command), command)
            self._compare(shown)

    def _stay(self, block: Block) -> None:
        [(command, _)] = commands(block.text)
        output = self._behind / f"{block.marks['terminal']}.out"
        terminal = self._terminal
        staying = Staying(command, terminal.folder, terminal.environment, output)
        self._stack.callback(self._leave, staying)
        staying.wait_for(block.marks.get("until", ""))

    def _leave(self, staying: Staying) -> None:
        code = staying.end()
        assert code in (0, 130), f"{staying.command} ended with {code}:\n{staying.printed()}"

    def _run_script(self, block: Block) -> None:
        self._finish(self._terminal.run(block.text), block.text)

    def _run_python(self, block: Block) -> None:
        self._run_with("python", block, "page.py")

    def _run_sql(self, block: Block) -> None:
        self._run_with("psql -X -q -v ON_ERROR_STOP=1 -f", block, "page.sql")

    def _run_with(self, program: str, block: Block, name: str) -> None:
        file = self._behind / name
        file.write_text(block.text, encoding="utf-8")
        command = f"PYTHONPATH=. {program} {shlex.quote(str(file))}"
        self._finish(self._terminal.run(command), block.text)

    def _finish(self, done: Done, command: str) -> None:
        self._printed = done.printed
        wanted = int(self._block.marks.get("exit", "0"))
        assert done.code == wanted, self._at(
            f"exit {done.code} instead of {wanted}:\n{command}\n{done.printed}"
        )

    def _compare(self, shown: str) -> None:
        missing = missing_line(shown, self._printed)
        assert missing is None, self._at(
            f"this line was not printed:\n{missing}\nPrinted was:\n{self._printed}"
        )

    def _at(self, what: str) -> str:
        return f"{self._page.name}:{self._block.line}: {what}"
