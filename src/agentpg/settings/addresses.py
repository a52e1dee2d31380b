"""Where people are told: addresses of e-mail and of the web, and who is told what.

The addresses of the operations guide and those that are kept for examples belong to nobody here:
a setting that still has one was copied, and messages to it would be lost or reach a stranger.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from agentpg.language import N_

_NO_ADDRESS = N_("it must be e-mail addresses, with spaces between them")
_NO_URL = N_("it must be an address such as https://hooks.internal/alerts")
_NO_APPRISE = N_("it must be apprise URLs such as slack://…, with spaces between them")
_EXAMPLE = N_("an address for examples is never written to: give the one of your own people")
_NO_ROUTE = N_("it must be routes such as disk=ops B*:critical=dba,ops C07=nobody")

# RFC 2606 and RFC 6761; the last is the one of the operations guide.
_EXAMPLE_TOPS = ("example", "invalid", "test")
_EXAMPLE_DOMAINS = ("example.com", "example.net", "example.org", "company.com")

# What SMTP servers take without extensions, and nothing that could begin another header.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)")
_ROUTE = re.compile(
    r"[A-Za-z0-9*?_-]+(?::(?:info|warning|critical|unknown))?"
    r"=(?:nobody|(?:dba|ops)(?:,(?:dba|ops))?)"
)
_HOSTS = re.compile(r"[@/]([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")


def is_for_examples(host: str) -> bool:
    """Whether a host's name is one that documents use and nobody has."""
    name = host.lower().rstrip(".")
    if name.rpartition(".")[2] in _EXAMPLE_TOPS:
        return True
    return any(name == one or name.endswith(f".{one}") for one in _EXAMPLE_DOMAINS)


def parse_addresses(value: object) -> object:
    """E-mail addresses with spaces or commas between them, as text with spaces."""
    if not isinstance(value, str):
        return value
    addresses = value.replace(",", " ").split()
    for address in addresses:
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise ValueError(_NO_ADDRESS)
        if is_for_examples(found[1]):
            raise ValueError(_EXAMPLE)
    return " ".join(addresses)


def parse_web_url(value: object) -> object:
    """An address of http or https, or nothing."""
    if not isinstance(value, str) or not value:
        return value
    host = _web_host(value)
    if not host or re.search(r"\s|[\x00-\x1f\x7f]", value):
        raise ValueError(_NO_URL)
    if is_for_examples(host):
        raise ValueError(_EXAMPLE)
    return value


def _web_host(url: str) -> str:
    """The host of an address of http or https; empty where it is none."""
    try:
        parts = urlsplit(url)
        is_known = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        return ""
    return (parts.hostname or "") if is_known else ""


def parse_apprise(value: object) -> object:
    """URLs of apprise with spaces between them; apprise itself says whether it knows them."""
    if not isinstance(value, str):
        return value
    for url in value.split():
        if "://" not in url:
            raise ValueError(_NO_APPRISE)
        if any(map(is_for_examples, _HOSTS.findall(url.replace("%40", "@")))):
            raise ValueError(_EXAMPLE)
    return " ".join(value.split())


def parse_routes(value: object) -> object:
    """Routes with spaces between them: CODE-OR-ROOM[:LEVEL]=CONTACTS."""
    if not isinstance(value, str):
        return value
    routes = value.split()
    if not all(map(_ROUTE.fullmatch, routes)):
        raise ValueError(_NO_ROUTE)
    return " ".join(routes)
