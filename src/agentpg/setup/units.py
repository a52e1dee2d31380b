"""The units of systemd for `agentpg up` and `agentpg worker`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from pathlib import Path

from agentpg.embedded.folder import write_file
from agentpg.errors import FileNotOurs, FileNotWritten

FOLDER = Path("/etc/systemd/system")

# The first line of every file that may be replaced by the next run.
MARKER = "# Written by `agentpg setup`; changes belong into a drop-in, see systemctl edit."

_NAMES = ("agentpg-up.service", "agentpg-worker@.service")

# systemd passes a file to a service whatever account that has; %d is where.
_CREDENTIAL = "pgpass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the units run: the program, for which database, as which account.

    `dsn` holds no password; `passfile` is handed over where there is one. Without `user`
    systemd makes the account agentpg while they run. `grace` is how long a worker
    lets its handlers finish.
    """

    program: Path
    dsn: str
    schema: str
    grace: timedelta
    passfile: Path | None = None
    user: str = ""


def units(service: Service) -> dict[str, str]:
    """File name to text."""
    return {name: _unit(name, service) for name in _NAMES}


def install_units(service: Service, folder: Path = FOLDER) -> list[Path]:
    """Write the units; the files that are new or have changed.

    Raises FileNotOurs before anything is written where somebody else's file is in the way,
    and FileNotWritten.
    """
    texts = {folder / name: text for name, text in units(service).items()}
    try:
        present = {path: path.read_text(encoding="utf-8") for path in texts if path.exists()}
        for path, text in present.items():
            if not text.startswith(MARKER):
                raise FileNotOurs(path=path)
        changed = [path for path, text in texts.items() if present.get(path) != text]
        folder.mkdir(parents=True, exist_ok=True)
        for path in changed:
            write_file(path, texts[path], 0o644)
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=error.filename) from error
    return changed


def closed_folder(program: Path) -> Path | None:
    """The first folder above the program that keeps other accounts from running it."""
    return next((f for f in reversed(program.parents) if not f.stat().st_mode & 0o001), None)


def _unit(name: str, service: Service) -> str:
    template, hardening = _template(name), _template("hardening")
    # Outcomes that can't be written are waited for as long as handlers before.
    stop = 2 * service.grace + timedelta(seconds=30)
    return template.format(
        marker=MARKER,
        program=_quoted(str(service.program)),
        account=_account(service),
        environment="\n".join(_environment(service)),
        stop_seconds=round(stop.total_seconds()),
        hardening=hardening.strip(),
    )


def _template(name: str) -> str:
    folder = resources.files("agentpg.setup") / "systemd"
    return (folder / name).read_text(encoding="utf-8")


def _account(service: Service) -> str:
    if service.user:
        return f"User={service.user}"
    # One name for both units: they share the state directory.
    return "DynamicUser=yes\nUser=agentpg"


def _environment(service: Service) -> list[str]:
    variables = {"AGENTPG_DSN": service.dsn, "AGENTPG_SCHEMA": service.schema}
    lines = [f"Environment={_quoted(f'{name}={value}')}" for name, value in variables.items()]
    lines.append("Environment=AGENTPG_HOME=%S/agentpg")
    if service.passfile is not None:
        lines.append(f"LoadCredential={_CREDENTIAL}:{_escaped(str(service.passfile))}")
        lines.append(f"Environment=PGPASSFILE=%d/{_CREDENTIAL}")
    return lines


def _quoted(text: str) -> str:
    escaped = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
