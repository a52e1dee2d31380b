"""E-mail, by the server that the settings name."""

from __future__ import annotations

import logging
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import format_datetime

from agentpg.errors import NotTold
from agentpg.language import N_
from agentpg.notify.message import Message
from agentpg.notify.rendering import Said
from agentpg.settings import Settings

_log = logging.getLogger("agentpg.notify")

_PORTS = {"tls": 465, "starttls": 587, "none": 25}
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")

_OPEN_PASSWORD = N_(
    "a password leaves this machine over TLS alone: set AGENTPG_NOTIFY_SMTP_SECURITY"
)


def send_mail(message: Message, said: Said, addresses: Sequence[str], settings: Settings) -> None:
    """Send it to all addresses. Raises NotTold where the server has not taken it for any.

    A repeat has the same Message-ID, by which programs for mail leave it out.
    """
    if settings.notify_smtp_user and _is_open(settings):
        raise NotTold(_OPEN_PASSWORD, contact=message.contact, way="email")
    mail = _mail(message, said, addresses, settings)
    try:
        with _server(settings) as server:
            refused = server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        reason = "; ".join(f"{who}: {_text(why)}" for who, why in error.recipients.items())
        raise NotTold(reason, contact=message.contact, way="email") from None
    except smtplib.SMTPResponseException as error:
        reason = _text((error.smtp_code, error.smtp_error))
        raise NotTold(reason, contact=message.contact, way="email") from None
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        said_why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NotTold(said_why, contact=message.contact, way="email") from None
    for who, why in refused.items():
        _log.warning("the message to %s was not taken for %s: %s", message.contact, who, _text(why))


def _is_open(settings: Settings) -> bool:
    return (
        settings.notify_smtp_security == "none" and settings.notify_smtp_host not in _THIS_MACHINE
    )


@contextmanager
def _server(settings: Settings) -> Iterator[smtplib.SMTP]:
    security = settings.notify_smtp_security
    where = (settings.notify_smtp_host, settings.notify_smtp_port or _PORTS[security])
    timeout = settings.notify_timeout.total_seconds()
    server: smtplib.SMTP
    if security == "tls":
        server = smtplib.SMTP_SSL(*where, timeout=timeout, context=_context(settings))
    else:
        server = smtplib.SMTP(*where, timeout=timeout)
    try:
        if security == "starttls":
            server.starttls(context=_context(settings))
        if settings.notify_smtp_user:
            server.login(settings.notify_smtp_user, settings.notify_smtp_password)
        yield server
    finally:
        # What was taken is taken, whatever is said at parting; and a repeat would be one too many.
        with suppress(OSError, smtplib.SMTPException):
            server.quit()
        server.close()


def _context(settings: Settings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.notify_smtp_ca_file or None)


def _mail(
    message: Message, said: Said, addresses: Sequence[str], settings: Settings
) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = settings.notify_from or f"agentpg@{socket.gethostname()}"
    mail["To"] = ", ".join(addresses)
    mail["Subject"] = " ".join(said.subject.split())
    mail["Date"] = format_datetime(message.made_at)
    mail["Message-ID"] = f"<{message.ref}>"
    # What is said of one alert stays together.
    mail["References"] = f"<{message.events[0].alert.id}@agentpg>"
    # No answering machine answers (RFC 3834).
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Agentpg-Level"] = message.level
    mail.set_content(said.text)
    mail.add_alternative(said.html, subtype="html")
    return mail


def _text(reply: tuple[int, bytes | str]) -> str:
    code, said = reply
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {' '.join(text.split())}"
