"""Making keys, certificates and lists of revoked ones; nothing is written here.

Keys are of the curve P-256, which all that PostgreSQL 15 to 18 is built with can use.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agentpg.errors import CertificateNameWrong
from agentpg.language import N_

# Clocks differ; what begins now would not be valid yet elsewhere.
_EARLIER = timedelta(hours=1)

# X.520's bound of a common name; PostgreSQL's names are shorter.
_LONGEST_NAME = 64

# Of a whole name by RFC 1035.
_LONGEST_HOST = 253

_EMPTY = N_("it is empty")
_LONG = N_("it is too long")
_SIGNS = N_("it has a sign that no name of a host has")
_CONTROL = N_("it has a sign that cannot be shown")

_HOST_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._*")


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as a file has it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as a file has it, in clear: its mode protects it."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def make_authority(name: str, now: datetime, lasts: timedelta) -> Pair:
    """An authority that signs certificates and lists, and no other authority."""
    key = _new_key()
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = _builder(_named(name), _named(name), key, now, now + lasts)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    return Pair(builder.sign(key, hashes.SHA256()), key)


def make_server(authority: Pair, names: Sequence[str], now: datetime, lasts: timedelta) -> Pair:
    """A server's certificate for these names and addresses. Raises CertificateNameWrong."""
    said = [_alternative(name) for name in names]
    extension = x509.SubjectAlternativeName(said)
    purpose = ExtendedKeyUsageOID.SERVER_AUTH
    common = names[0] if len(names[0]) <= _LONGEST_NAME else "server"
    return _issued(authority, common, purpose, now, lasts, extension)


def make_client(authority: Pair, role: str, now: datetime, lasts: timedelta) -> Pair:
    """A client's certificate, which says who logs in. Raises CertificateNameWrong."""
    return _issued(authority, _checked(role), ExtendedKeyUsageOID.CLIENT_AUTH, now, lasts)


def make_revoked(
    authority: Pair, revoked: Mapping[int, datetime], now: datetime, lasts: timedelta
) -> bytes:
    """The list of what was revoked, by serial number, as a file has it."""
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=authority.certificate.subject,
        last_update=now - _EARLIER,
        next_update=min(now + lasts, authority.certificate.not_valid_after_utc),
    )
    for serial, moment in revoked.items():
        one = x509.RevokedCertificateBuilder(serial, moment)
        builder = builder.add_revoked_certificate(one.build())
    signed = builder.sign(authority.key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def _issued(
    authority: Pair,
    name: str,
    purpose: x509.ObjectIdentifier,
    now: datetime,
    lasts: timedelta,
    extension: x509.SubjectAlternativeName | None = None,
) -> Pair:
    key = _new_key()
    # Nothing outlives what it is believed for.
    ends = min(now + lasts, authority.certificate.not_valid_after_utc)
    builder = _builder(_named(name), authority.certificate.subject, key, now, ends)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    builder = builder.add_extension(identifier, critical=False)
    if extension is not None:
        builder = builder.add_extension(extension, critical=False)
    return Pair(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, ends) - _EARLIER)
        .not_valid_after(ends)
        .add_extension(identifier, critical=False)
    )


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _usage(**allowed: bool) -> x509.KeyUsage:
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment"]
    names += ["key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _checked(name: str) -> str:
    if not name.strip():
        raise CertificateNameWrong(_EMPTY, name=name)
    if not name.isprintable():
        raise CertificateNameWrong(_CONTROL, name=name)
    if len(name) > _LONGEST_NAME or len(name.encode()) > _LONGEST_NAME:
        raise CertificateNameWrong(_LONG, name=name)
    return name


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if not name or not set(name.lower()) <= _HOST_SIGNS:
        raise CertificateNameWrong(_SIGNS if name else _EMPTY, name=name)
    if len(name) > _LONGEST_HOST:
        raise CertificateNameWrong(_LONG, name=name)
    return x509.DNSName(name)
