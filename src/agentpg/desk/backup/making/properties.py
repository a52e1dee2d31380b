"""What belongs to a database itself and is in none of its objects, as SQL that makes it.

Owner, encoding, locale, connection limit, comment, grants, and the settings of the database and of
roles in it. A dump that goes into any database says nothing of them, so they are kept apart.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from agentpg.desk.backup.leash import run_tool
from agentpg.desk.backup.programs import Programs

_OF_THE_DATABASE = (" ACL - DATABASE ", " COMMENT - DATABASE ", " SECURITY LABEL - DATABASE ")


def dump_properties(
    programs: Programs, options: Sequence[str], environment: Mapping[str, str], target: Path
) -> None:
    """Write them as of the moment that the options of pg_dump say. Raises ToolFailed."""
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        archive = Path(work, "database")
        # Without a schema no table is locked.
        command: list[str | Path] = [programs.tool("pg_dump"), "--format=custom", "--create"]
        command += ["--schema-only", "--exclude-schema=*", *options, f"--file={archive}"]
        run_tool(command, environment)
        made = read_properties(programs, archive, Path(work), environment)
        target.write_bytes(made)


def read_properties(
    programs: Programs, archive: Path, work: Path, environment: Mapping[str, str]
) -> bytes:
    """What a dump of pg_dump's own formats says of its database. Raises ToolFailed."""

    def written(*options: str) -> bytes:
        out = work / "of-the-database.sql"
        command: list[str | Path] = [programs.tool("pg_restore"), "--create", "--schema-only"]
        run_tool([*command, f"--file={out}", *options, archive], environment)
        return out.read_bytes()

    listed = written("--list").splitlines(keepends=True)
    kinds = [kind.encode() for kind in _OF_THE_DATABASE]
    chosen = work / "of-the-database"
    chosen.write_bytes(b"".join(one for one in listed if any(kind in one for kind in kinds)))
    return written(f"--use-list={chosen}")
