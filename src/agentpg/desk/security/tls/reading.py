"""Certificates and lists of revoked ones: as a file has them, and as a server shows them."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from agentpg.db import Database
from agentpg.desk.doctor.connection.handshake import open_line
from agentpg.desk.doctor.connection.wire import ask_for_tls
from agentpg.desk.security.tls.facts import RevokedList, Shown
from agentpg.errors import CertificateUnusable, TlsNotOffered
from agentpg.language import N_

_SECONDS = 5.0

# Of no use to anybody; more would be read for nothing.
_LARGEST = 1024 * 1024

_NOT_ONE = N_("it is no certificate in PEM")
_NO_LIST = N_("it is no list of revoked certificates in PEM")


def read_certificate(path: Path) -> Shown:
    """The first certificate in a file. Raises OSError, or CertificateUnusable for what is none."""
    return facts_of(load_certificate(path))


def load_certificate(path: Path) -> x509.Certificate:
    """The same, as the library has it."""
    try:
        return x509.load_pem_x509_certificate(_bytes_of(path))
    except ValueError:
        raise CertificateUnusable(_NOT_ONE, path=path) from None


def read_revoked(path: Path) -> RevokedList:
    """A list of revoked certificates. Raises OSError, or CertificateUnusable for what is none."""
    try:
        found = x509.load_pem_x509_crl(_bytes_of(path))
        return RevokedList(file=str(path), ends_at=found.next_update_utc, count=len(found))
    except ValueError:
        raise CertificateUnusable(_NO_LIST, path=path) from None


def shown_by(database: Database) -> Shown:
    """What a server shows of itself, believed or not. Raises OSError, TlsNotOffered, or
    CertificateUnusable."""
    host, port = database.address()
    with socket.create_connection((database.hostaddr() or host, port), _SECONDS) as line:
        if ask_for_tls(line)[0] != "tls":
            raise TlsNotOffered(target=database.target())
        with open_line(line, host, None) as secured:
            encoded = secured.getpeercert(binary_form=True) or b""
    try:
        return facts_of(x509.load_der_x509_certificate(encoded))
    except ValueError:
        raise CertificateUnusable(_NOT_ONE, path=database.target()) from None


def is_believed(database: Database, authority: Path, name: str) -> str:
    """Why a client that believes the authority alone, and asks for the name, would not go on;
    empty where it would. Raises OSError or TlsNotOffered."""
    context = ssl.create_default_context(cafile=str(authority))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    host, port = database.address()
    with socket.create_connection((database.hostaddr() or host, port), _SECONDS) as line:
        if ask_for_tls(line)[0] != "tls":
            raise TlsNotOffered(target=database.target())
        try:
            context.wrap_socket(line, server_hostname=name).close()
        except ssl.SSLError as error:
            return getattr(error, "verify_message", "") or error.reason or str(error)
    return ""


def facts_of(certificate: x509.Certificate) -> Shown:
    """What is to be known of a certificate. Raises ValueError where it contradicts itself."""
    key = certificate.public_key()
    return Shown(
        subject=common_name(certificate.subject),
        names=names_of(certificate),
        issuer=common_name(certificate.issuer),
        begins_at=certificate.not_valid_before_utc,
        ends_at=certificate.not_valid_after_utc,
        serial=f"{certificate.serial_number:x}",
        self_signed=certificate.issuer == certificate.subject,
        bits=key.key_size if isinstance(key, rsa.RSAPublicKey) else None,
        hash_name=getattr(certificate.signature_hash_algorithm, "name", ""),
    )


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The names that it is for, or else its common name, as libpq takes them."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return tuple(filter(None, [common_name(certificate.subject)]))
    names = found.get_values_for_type(x509.DNSName)
    return (*names, *map(str, found.get_values_for_type(x509.IPAddress)))


def common_name(name: x509.Name) -> str:
    """Its common name, or else all of it."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def _bytes_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST)
