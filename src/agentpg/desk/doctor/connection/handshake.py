"""TLS as libpq would agree on it, and the server's certificate also where it is not believed."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from agentpg.desk.doctor.connection.facts import Certificate, ClientKey, Tls, TlsProblem, Wanted

# OpenSSL's numbers of what it has against a certificate.
_NOT_YET_VALID, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64

_SYSTEM = "system"


def agree(
    line: socket.socket, wanted: Wanted, name: str, key: ClientKey | None
) -> tuple[Tls, socket.socket | None]:
    """Make a handshake: what came of it, and the line to go on with."""
    if wanted.sslmode.startswith("verify") and not wanted.root_exists:
        return Tls(problem="no root"), None
    try:
        context = _context(wanted, key)
        secured = context.wrap_socket(line, server_hostname=_hint(name, context))
    except ssl.SSLCertVerificationError as error:
        problem = _problem(error.verify_code)
        return Tls(problem=problem, verify_code=error.verify_code, reason=error.reason or ""), None
    except ssl.SSLError as error:
        return Tls(problem="handshake", reason=error.reason or ""), None
    except (OSError, ValueError) as error:
        return Tls(problem="handshake", reason=str(error)), None
    return Tls(version=secured.version() or "", certificate=_shown(secured)), secured


def tried(key: ClientKey | None) -> ClientKey | None:
    """The same, with what OpenSSL has against the two files."""
    if key is None or key.problem:
        return key
    try:
        _open_context().load_cert_chain(key.certificate, key.key, password=_no_passphrase)
    except ssl.SSLError as error:
        unpaired = error.reason == "KEY_VALUES_MISMATCH"
        return replace(key, problem="not a pair" if unpaired else "unreadable")
    except (OSError, ValueError):
        return replace(key, problem="unreadable")
    return key


def open_line(line: socket.socket, name: str, key: ClientKey | None) -> ssl.SSLSocket:
    """TLS with whoever is there, to ask what it would say. Raises OSError."""
    context = _open_context()
    _show(key, context)
    return context.wrap_socket(line, server_hostname=_hint(name, context))


def look_at(line: socket.socket, name: str) -> Certificate | None:
    """The certificate of a server that is not believed; None where there is no handshake."""
    try:
        with open_line(line, name, None) as secured:
            return _shown(secured)
    except (OSError, ValueError):
        return None


def _context(wanted: Wanted, key: ClientKey | None) -> ssl.SSLContext:
    context = _open_context()
    # libpq believes only what the root file says, wherever that is there.
    if wanted.root_exists:
        if wanted.root_file == _SYSTEM:
            context.set_default_verify_paths()
        else:
            context.load_verify_locations(wanted.root_file)
        context.check_hostname = wanted.sslmode == "verify-full"
        context.verify_mode = ssl.CERT_REQUIRED
    _show(key, context)
    return context


def _show(key: ClientKey | None, context: ssl.SSLContext) -> None:
    """Let the server see our certificate, where there is one that can be used."""
    if key is not None and not key.problem:
        context.load_cert_chain(key.certificate, key.key, password=_no_passphrase)


def _open_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["postgresql"])
    return context


def _no_passphrase() -> str:
    """Nobody is asked for one."""
    return ""


def _hint(name: str, context: ssl.SSLContext) -> str | None:
    """The name that is asked for; libpq tells no addresses, but compares them."""
    if context.check_hostname:
        return name
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name or None
    return None


def _problem(code: int) -> TlsProblem:
    if code in (_EXPIRED, _NOT_YET_VALID):
        return "expired"
    return "name" if code in (_OTHER_NAME, _OTHER_ADDRESS) else "untrusted"


def _shown(secured: ssl.SSLSocket) -> Certificate | None:
    encoded = secured.getpeercert(binary_form=True)
    if not encoded:
        return None
    try:
        return _read(x509.load_der_x509_certificate(encoded))
    except ValueError:
        return None


def _read(certificate: x509.Certificate) -> Certificate:
    return Certificate(
        subject=_common_name(certificate.subject),
        names=_names(certificate),
        issuer=_common_name(certificate.issuer) or certificate.issuer.rfc4514_string(),
        begins_at=_moment(certificate.not_valid_before_utc),
        ends_at=_moment(certificate.not_valid_after_utc),
        self_signed=certificate.issuer == certificate.subject,
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The names that it is for: those of the extension, or else the common name."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return tuple(filter(None, [_common_name(certificate.subject)]))
    names = found.get_values_for_type(x509.DNSName)
    return (*names, *map(str, found.get_values_for_type(x509.IPAddress)))


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _moment(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
