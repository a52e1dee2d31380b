"""The file with the passwords of roles, in libpq's .pgpass format."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from agentpg.embedded.folder import write_file
from agentpg.errors import FileNotWritten


@dataclass(frozen=True, slots=True)
class PasswordFile:
    """The lines of one server and role, 0600; other lines stay. The port may be *, for any."""

    path: Path
    host: str
    port: int | str
    role: str

    def knows(self) -> bool:
        """Whether there is a password for the role."""
        return any(line.startswith(self._key()) for line in self._lines())

    def make(self) -> str:
        """Make a password, and write it down before anybody uses it. Raises FileNotWritten."""
        password = secrets.token_urlsafe(24)
        self.keep(password)
        return password

    def keep(self, password: str) -> None:
        """Write down a password, in place of the former one. Raises FileNotWritten."""
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        self._write([*self._others(), f"{self._key()}{escaped}"])

    def forget(self) -> None:
        """Take the password out again."""
        self._write(self._others())

    def _key(self) -> str:
        host = self.host.replace("\\", "\\\\").replace(":", "\\:")
        return f"{host}:{self.port}:*:{self.role}:"

    def _others(self) -> list[str]:
        return [line for line in self._lines() if not line.startswith(self._key())]

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise FileNotWritten(error.strerror or str(error), path=self.path) from error

    def _write(self, lines: list[str]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self.path, "".join(f"{line}\n" for line in lines), 0o600)
        except OSError as error:
            raise FileNotWritten(error.strerror or str(error), path=self.path) from error
