"""Handing a message over, by one of the ways to a contact. Needs no database."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from email.message import Message as Headers
from http.client import HTTPException
from typing import IO
from urllib.parse import unquote, urlsplit

from agentpg.errors import ExtraMissing, NotTold, NoWayToContact
from agentpg.language import N_
from agentpg.notify.alertmanager import alert_list, document
from agentpg.notify.mailing import send_mail
from agentpg.notify.message import Message
from agentpg.notify.patience import Patience
from agentpg.notify.policy import Contact
from agentpg.notify.rendering import Wording, say
from agentpg.settings import Settings
from agentpg.zones import zone_of

_ALERTMANAGERS_OWN = "/api/v2/alerts"
_REFUSED = N_("apprise does not know such a URL")
_NOT_SENT = N_("apprise could not hand it over; its own log says more")

# Each step has the time of the setting; a side that answers one byte at a time has begun none anew.
_LONGEST_STEPS = 3
_TOO_SLOW = N_("it was not taken within three times AGENTPG_NOTIFY_TIMEOUT")

# Apprise's kind of a message, by our level.
_APPRISE_KINDS = {"critical": "failure", "warning": "warning", "unknown": "warning"}


def wording_for(contact: Contact, settings: Settings) -> Wording:
    """How messages to a contact are said."""
    zone = zone_of(settings.time_zone)
    return Wording(contact.language, zone, settings.notify_runbook_url)


def hand_over(message: Message, contact: Contact, way: str, settings: Settings) -> None:
    """Hand a message over by one way. Raises NotTold, and NoWayToContact where the way is no
    more in the settings.

    It ends in time, however slowly the other side goes on.
    """
    if way not in contact.ways:
        raise NoWayToContact(contact=contact.name, variable=contact.name.upper())
    patience = Patience(_LONGEST_STEPS * settings.notify_timeout)
    try:
        patience.get(lambda: _hand_over(message, contact, way, settings), "agentpg-tell")
    except TimeoutError:
        raise _not_told(message, way, _TOO_SLOW) from None


def _hand_over(message: Message, contact: Contact, way: str, settings: Settings) -> None:
    wording = wording_for(contact, settings)
    if way == "email":
        send_mail(message, say(message, wording), contact.addresses, settings)
    elif way == "webhook":
        _post(message, contact, wording, settings)
    else:
        _pass_on(message, contact, wording)


def _post(message: Message, contact: Contact, wording: Wording, settings: Settings) -> None:
    url, login = _apart(contact.webhook)
    own = urlsplit(url).path.endswith(_ALERTMANAGERS_OWN)
    said: object = alert_list(message, wording) if own else document(message, wording)
    body = json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "agentpg",
        "X-Agentpg-Message-Id": message.ref,
        **login,
        **_signature(body, settings.notify_webhook_secret),
    }
    try:
        _send(url, body, headers, settings.notify_timeout)
    except urllib.error.HTTPError as error:
        error.close()
        raise _not_told(message, "webhook", f"HTTP {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        why = getattr(error.reason, "strerror", None) or str(error.reason)
        raise _not_told(message, "webhook", why) from None
    except (OSError, HTTPException) as error:
        raise _not_told(message, "webhook", str(error) or type(error).__name__) from None


def _apart(webhook: str) -> tuple[str, dict[str, str]]:
    """The address without a login, which would be said where it fails, and the login's header."""
    parts = urlsplit(webhook)
    login, at, place = parts.netloc.rpartition("@")
    if not at:
        return webhook, {}
    said = base64.b64encode(unquote(login).encode()).decode("ascii")
    return parts._replace(netloc=place).geturl(), {"Authorization": f"Basic {said}"}


def _send(url: str, body: bytes, headers: Mapping[str, str], timeout: timedelta) -> None:
    opener = urllib.request.build_opener(_StayHere)
    request = urllib.request.Request(url, body, dict(headers))  # noqa: S310 - http or https alone
    with opener.open(request, timeout=timeout.total_seconds()):
        pass


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows nowhere: a redirected POST would come as a GET, and go where nobody has said."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Headers,
        newurl: str,
    ) -> None:
        """None: the redirection is an error."""
        del req, fp, code, msg, headers, newurl


def _signature(body: bytes, secret: str) -> dict[str, str]:
    """The moment, and the HMAC of moment, full stop and body; nothing without a secret."""
    if not secret:
        return {}
    moment = str(int(time.time()))
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Agentpg-Timestamp": moment, "X-Agentpg-Signature": f"sha256={signed}"}


def _pass_on(message: Message, contact: Contact, wording: Wording) -> None:
    try:
        import apprise  # noqa: PLC0415 - an extra
    except ImportError:
        raise ExtraMissing(what="apprise", extra="apprise") from None
    said = say(message, wording)
    passing = apprise.Apprise()
    with _unsaid("apprise"):
        is_known = all(passing.add(url) for url in contact.apprise)
    if not is_known:
        raise _not_told(message, "apprise", _REFUSED)
    kind = "success" if message.is_over else _APPRISE_KINDS.get(message.level, "info")
    if not passing.notify(body=said.text, title=said.subject, notify_type=kind):
        raise _not_told(message, "apprise", _NOT_SENT)


@contextmanager
def _unsaid(logger: str) -> Iterator[None]:
    """Keep the log of what it does not know quiet: it would say the whole URL, with its token."""
    log = logging.getLogger(logger)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _not_told(message: Message, way: str, reason: str) -> NotTold:
    return NotTold(reason, contact=message.contact, way=way)
