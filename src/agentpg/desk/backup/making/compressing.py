"""How a dump is compressed: what the programs of one version can do, and what is best of it.

Up to 15, pg_dump knows gzip only and takes a level; from 16 on it takes a method and a level,
of those that it was built with. Zstandard is several times faster than gzip at the same size.
"""

from __future__ import annotations

import re
import subprocess

from agentpg.desk.backup.programs import Programs
from agentpg.errors import CompressionNotBuilt, CompressionUnknown
from agentpg.language import N_
from agentpg.settings import environment_with

NONE = "none"

# The first major version with methods besides gzip.
_METHODS_SINCE = 16

_LEVELS = {"gzip": range(1, 10), "zstd": range(1, 20), "lz4": range(1, 13)}
_USUAL_LEVEL = {"gzip": 6, "zstd": 3, "lz4": 1}

_FORM = re.compile(r"(gzip|zstd|lz4)(?::(\d{1,2}))?")

_NOT_KNOWN = N_("there is no such method or level")


def choose_compression(wanted: str, programs: Programs) -> str:
    """The compression as it is recorded: a method and a level, as in "gzip:6", or "none".

    Without a wish: zstd where pg_dump has it, and else gzip. Raises CompressionUnknown.
    """
    if wanted == NONE:
        return NONE
    if not wanted:
        method = "zstd" if _has_method(programs, "zstd") else "gzip"
        return f"{method}:{_USUAL_LEVEL[method]}"
    found = _FORM.fullmatch(wanted)
    if found is None:
        raise CompressionUnknown(_NOT_KNOWN, method=wanted)
    method, level = found[1], int(found[2] or _USUAL_LEVEL[found[1]])
    if level not in _LEVELS[method]:
        raise CompressionUnknown(_NOT_KNOWN, method=wanted)
    if not _has_method(programs, method):
        raise CompressionNotBuilt(method=wanted, version=programs.version)
    return f"{method}:{level}"


def compression_option(compression: str, programs: Programs) -> str:
    """The option of pg_dump for it."""
    method, _, level = compression.partition(":")
    if programs.major >= _METHODS_SINCE:
        return f"--compress={compression}"
    return f"--compress={0 if method == NONE else level}"


def _has_method(programs: Programs, method: str) -> bool:
    """Whether pg_dump was built with it: it says so before it connects, which it can't."""
    if method == "gzip":
        return True
    if programs.major < _METHODS_SINCE:
        return False
    command = [str(programs.tool("pg_dump")), "-Fc", f"--compress={method}", "--host=/nowhere"]
    environment = {**environment_with(), "LC_ALL": "C"}
    said = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return "compression" not in said.stderr
