"""Compiles the message catalogues (.po) for gettext (.mo) when the package is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileMessages(BuildHookInterface):  # type: ignore[type-arg]
    """A build hook: every catalogue under `locale/` gets its compiled twin beside it."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before the files are collected."""
        del version, build_data
        for catalogue in Path(self.root, "src/agentpg/locale").rglob("*.po"):
            compile_catalogue(catalogue)


def compile_catalogue(catalogue: Path) -> None:
    """Write `agentpg.mo` beside `agentpg.po`."""
    with catalogue.open("rb") as source:
        messages = read_po(source)
    with catalogue.with_suffix(".mo").open("wb") as target:
        write_mo(target, messages)


if __name__ == "__main__":
    for found in Path("src/agentpg/locale").rglob("*.po"):
        compile_catalogue(found)
