"""The PostgreSQL servers of this machine, running or not, as far as this account may see them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from agentpg.desk.doctor.connection.facts import PRIVATE_START, LocalServer
from agentpg.desk.doctor.connection.machine import parts_of, sockets_in_use
from agentpg.embedded import EmbeddedServer
from agentpg.errors import AgentpgError
from agentpg.settings import Settings

# Debian's tools keep the settings of each cluster in /etc/postgresql/VERSION/NAME.
_CLUSTERS = Path("/etc/postgresql")
_CLUSTER_LOGS = Path("/var/log/postgresql")

# Where packages of Red Hat and others keep the one cluster that they make.
_USUAL = (
    Path("/var/lib/pgsql/data"),
    *(Path(f"/var/lib/pgsql/{major}/data") for major in range(14, 20)),
)

_SAID = re.compile(r"^\s*(?P<name>\w+)\s*=?\s*(?P<value>'(?:[^']|'')*'|[^#\s]+)", re.MULTILINE)
_CONFIG_GIVEN = re.compile(r"config_file=(?P<path>[^\"'\n]+)")

# The lines of postmaster.pid.
_PID, _DATA, _PORT, _FOLDER, _LISTENS, _STATUS = 0, 1, 3, 4, 5, 7


def local_servers(settings: Settings) -> tuple[LocalServer, ...]:
    """All of them, those that run first; each data folder once."""
    found: dict[str, LocalServer] = {}
    for server in (*_private(settings), *_clusters(), *_usual(), *_running()):
        known = found.get(server.data)
        if known is None or not known.label:
            found[server.data] = server
    listed = [*found.values()]
    seen = {(server.folder, server.port) for server in listed if server.running}
    listed += [one for one in _by_sockets() if (one.folder, one.port) not in seen]
    return tuple(sorted(listed, key=lambda server: not server.running))


def _private(settings: Settings) -> Iterator[LocalServer]:
    """The private server of the settings' home."""
    server = EmbeddedServer(settings.home.expanduser().absolute(), settings.pg_bin)
    if not _is_there(server):
        return
    try:
        status = server.status()
    except AgentpgError:
        return
    yield _server(
        status.data,
        label=str(settings.home),
        start=PRIVATE_START,
        port=status.port,
        log=str(status.log),
    )


def _is_there(server: EmbeddedServer) -> bool:
    try:
        return server.exists()
    except OSError:
        return False


def _clusters() -> Iterator[LocalServer]:
    for config in sorted(_CLUSTERS.glob("*/*/postgresql.conf")):
        said = _settings_in(config)
        major, name = config.parts[-3:-1]
        if "data_directory" in said:
            yield _server(
                Path(said["data_directory"]),
                label=f"{major}/{name}",
                start=f"pg_ctlcluster {major} {name} start",
                port=int(said["port"]) if said.get("port", "").isdigit() else None,
                log=str(_CLUSTER_LOGS / f"postgresql-{major}-{name}.log"),
                config=str(config),
            )


def _usual() -> Iterator[LocalServer]:
    for data in _USUAL:
        if _exists(data / "PG_VERSION"):
            major = data.parent.name
            unit = f"postgresql-{major}" if major.isdigit() else "postgresql"
            yield _server(data, label=str(data), start=f"systemctl start {unit}")


def _running() -> Iterator[LocalServer]:
    """The servers whose first process this account may look at."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _comm(process) == "postgres":
            data = _folder_of(process)
            lines = _lines(data / "postmaster.pid") if data else []
            if data and lines and lines[_PID] == process.name:
                yield _server(data, label=str(data))


def _by_sockets() -> Iterator[LocalServer]:
    """Servers of other accounts: only their sockets can be seen."""
    for path in sockets_in_use():
        folder, port = parts_of(path)
        yield LocalServer(label=path, data="", port=port, running=True, folder=folder)


def _server(
    data: Path,
    *,
    label: str,
    start: str = "",
    port: int | None = None,
    log: str = "",
    config: str = "",
) -> LocalServer:
    lines = _lines(data / "postmaster.pid")
    running = bool(lines) and _runs_in(lines[_PID], data)
    major = _lines(data / "PG_VERSION")
    config = config or _config_of(data)
    return LocalServer(
        label=label,
        data=str(data),
        port=int(_at(lines, _PORT)) if running and _at(lines, _PORT).isdigit() else port,
        running=running,
        pid=_at(lines, _PID) if running else "",
        status=_at(lines, _STATUS) if running else "",
        listens=_at(lines, _LISTENS) if running else "",
        folder=_at(lines, _FOLDER) if running else "",
        start=start or f"pg_ctl --pgdata={data} start",
        stale=bool(lines) and not running,
        hba=_hba_of(data, config),
        config=config,
        log=_log_of(data) or log,
        major=int(major[0]) if major and major[0].isdigit() else 0,
    )


def _config_of(data: Path) -> str:
    given = _CONFIG_GIVEN.search("\n".join(_lines(data / "postmaster.opts")))
    return given["path"] if given else str(data / "postgresql.conf")


def _hba_of(data: Path, config: str) -> str:
    said = _settings_in(Path(config)).get("hba_file")
    return str(data / said) if said else str(data / "pg_hba.conf")


def _log_of(data: Path) -> str:
    """The log that a running server with a collector writes now."""
    for line in _lines(data / "current_logfiles"):
        kind, _, path = line.partition(" ")
        if kind == "stderr":
            return os.path.normpath(data / path)
    return ""


def _settings_in(config: Path) -> dict[str, str]:
    """The settings in a file, the last of each; other files that it includes are left out."""
    try:
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    values = {found["name"]: found["value"] for found in _SAID.finditer(text)}
    return {name: value.strip("'").replace("''", "'") for name, value in values.items()}


def _runs_in(number: str, data: Path) -> bool:
    """Whether this process is a postgres; that it works in the folder is seen where one may."""
    process = Path("/proc") / number
    if not number.isdigit() or _comm(process) != "postgres":
        return False
    try:
        return process.joinpath("cwd").samefile(data)
    except PermissionError:
        return True
    except OSError:
        return False


def _folder_of(process: Path) -> Path | None:
    try:
        return process.joinpath("cwd").readlink()
    except OSError:
        return None


def _comm(process: Path) -> str:
    return "".join(_lines(process / "comm"))


def _at(lines: list[str], number: int) -> str:
    return lines[number] if len(lines) > number else ""


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines()]
