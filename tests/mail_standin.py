"""A stand-in for a server that takes mail: aiosmtpd in a process of its own.

What it takes lies as files in a folder. How it behaves is said by whom a mail is for:
refused@… is refused, slow@… is held for a minute, deadly@… ends the process in the middle.
"""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "desk", "s3cret-of-the-mail"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where the stand-in listens: with STARTTLS and a login, with TLS, and openly."""

    process: subprocess.Popen[str]
    folder: Path
    starttls: int
    tls: int
    open: int

    def mails(self) -> list[EmailMessage]:
        """What was taken, in order."""
        files = sorted(self.folder.glob("*.eml"), key=lambda file: int(file.stem))
        return [
            email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            for file in files
        ]

    def end(self) -> None:
        """End it, if it has not ended itself."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def mail_server(folder: Path, certificate: Path, key: Path) -> Iterator[MailServer]:
    """One in a process; both files are PEM."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__, str(folder), str(certificate), str(key)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        ports = json.loads(process.stdout.readline())
    server = MailServer(process, folder, **ports)
    try:
        yield server
    finally:
        server.end()


class _Desk:
    """Takes, refuses, waits or dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("refused@"):
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if any(one.startswith("deadly@") for one in envelope.rcpt_tos):
            os._exit(1)
        if any(one.startswith("slow@") for one in envelope.rcpt_tos):
            await asyncio.sleep(60)
        self._taken += 1
        content = envelope.content
        whole = self._folder / f"{self._taken}.part"
        whole.write_bytes(content if isinstance(content, bytes) else str(content).encode())
        whole.rename(whole.with_suffix(".eml"))
        return "250 OK"


def _let_in(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
) -> AuthResult:
    known = LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=data == known, handled=data == known)


async def _serve(folder: Path, certificate: str, key: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    desk = _Desk(folder)

    def secured() -> SMTP:
        return SMTP(
            desk,
            tls_context=context,
            require_starttls=True,
            authenticator=_let_in,
            auth_required=True,
        )

    def inside() -> SMTP:
        return SMTP(desk, auth_require_tls=False, authenticator=_let_in, auth_required=True)

    def unsecured() -> SMTP:
        return SMTP(desk)

    loop = asyncio.get_running_loop()
    servers = {
        "starttls": await loop.create_server(secured, "127.0.0.1", 0),
        "tls": await loop.create_server(inside, "127.0.0.1", 0, ssl=context),
        "open": await loop.create_server(unsecured, "127.0.0.1", 0),
    }
    ports = {name: server.sockets[0].getsockname()[1] for name, server in servers.items()}
    print(json.dumps(ports), flush=True)  # noqa: T201 - to the process that has started it
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
