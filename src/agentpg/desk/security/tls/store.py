"""The folder of an authority: its key, what it has issued, and what it has revoked.

home/tls/
  authority.crt  authority.key     the key 0600; who has it is believed to be any server
  server.crt     server.key        what `tls install` gives to the server
  clients/ROLE.crt  ROLE.key       for those who log in by certificate
  revoked.json   revoked.crl       the serial numbers with their moments; the same, signed
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agentpg.desk.check import Unlooked, looked
from agentpg.desk.security.tls.facts import Shown
from agentpg.desk.security.tls.making import (
    Pair,
    make_authority,
    make_client,
    make_revoked,
    make_server,
)
from agentpg.desk.security.tls.reading import facts_of, load_certificate, read_certificate
from agentpg.errors import (
    AuthorityMissing,
    CertificateNotFound,
    CertificateUnusable,
    FileNotWritten,
)
from agentpg.language import N_

# As long as a server usually lives; who is believed longer is forgotten.
AUTHORITY_LASTS = timedelta(days=3650)

# What browsers allow at most is 398 days; a year is remembered.
LASTS = timedelta(days=365)

_NO_KEY = N_("it is no private key of a kind that this can use")
_NOT_OURS = N_("it is no list of ours")


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of one authority."""

    home: Path

    @property
    def folder(self) -> Path:
        """Where all of it lies."""
        return self.home / "tls"

    @property
    def authority(self) -> Path:
        """What clients believe: their sslrootcert."""
        return self.folder / "authority.crt"

    @property
    def server(self) -> Path:
        """The server's certificate; its key lies beside it."""
        return self.folder / "server.crt"

    @property
    def revoked(self) -> Path:
        """The signed list."""
        return self.folder / "revoked.crl"

    def client(self, role: str) -> Path:
        """A client's certificate; what a file's name can't have is written in per cents."""
        return self.folder / "clients" / f"{quote(role, safe=' +=@').replace('.', '%2E')}.crt"

    def create_authority(self, name: str) -> Pair:
        """The authority; made where there is none yet. Raises FileNotWritten."""
        if self.authority.exists():
            return self.load(self.authority)
        made = make_authority(name, _now(), AUTHORITY_LASTS)
        self._write(self.authority, made)
        return made

    def create_server(self, names: Sequence[str], lasts: timedelta = LASTS) -> Shown:
        """A new certificate of the server. Raises AuthorityMissing, CertificateNameWrong."""
        made = make_server(self._authority(), names, _now(), lasts)
        self._write(self.server, made)
        if not self.revoked.exists():
            self._sign_revoked({})
        return facts_of(made.certificate)

    def create_client(self, role: str, lasts: timedelta = LASTS) -> Shown:
        """A new certificate of a client. Raises AuthorityMissing, CertificateNameWrong."""
        made = make_client(self._authority(), role, _now(), lasts)
        self._write(self.client(role), made)
        return facts_of(made.certificate)

    def revoke(self, path: Path) -> Shown:
        """Have a certificate believed no more. Raises CertificateNotFound, AuthorityMissing."""
        if not path.exists():
            raise CertificateNotFound(path=path)
        certificate = load_certificate(path)
        known = self._revoked_before()
        known.setdefault(certificate.serial_number, _now())
        self._sign_revoked(known)
        return facts_of(certificate)

    def restore_server(self, former: Pair) -> None:
        """Have the former certificate again."""
        self._write(self.server, former)

    def renew_revoked(self) -> None:
        """Sign the list anew, since it holds for a year only."""
        self._sign_revoked(self._revoked_before())

    def load(self, path: Path) -> Pair:
        """A certificate and its key. Raises OSError, or CertificateUnusable."""
        text = path.with_suffix(".key").read_bytes()
        try:
            key = serialization.load_pem_private_key(text, None)
        except (ValueError, TypeError):
            raise CertificateUnusable(_NO_KEY, path=path.with_suffix(".key")) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CertificateUnusable(_NO_KEY, path=path.with_suffix(".key"))
        return Pair(load_certificate(path), key)

    def _authority(self) -> Pair:
        if not self.authority.exists():
            raise AuthorityMissing(folder=self.folder)
        return self.load(self.authority)

    def _write(self, path: Path, pair: Pair) -> None:
        """The key first: a certificate without one is of no use to anybody."""
        write_whole(path.with_suffix(".key"), pair.key_pem, 0o600)
        write_whole(path, pair.certificate_pem, 0o644)

    def _sign_revoked(self, revoked: dict[int, datetime]) -> None:
        said = {f"{serial:x}": moment.isoformat() for serial, moment in revoked.items()}
        text = json.dumps(said, indent=2) + "\n"
        write_whole(self.folder / "revoked.json", text.encode(), 0o644)
        write_whole(self.revoked, make_revoked(self._authority(), revoked, _now(), LASTS), 0o644)

    def _revoked_before(self) -> dict[int, datetime]:
        path = self.folder / "revoked.json"
        try:
            said = json.loads(path.read_bytes())
            return {int(n, 16): datetime.fromisoformat(moment) for n, moment in said.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, TypeError):
            raise CertificateUnusable(_NOT_OURS, path=path) from None


def issued_in(home: Path) -> tuple[Shown, ...]:
    """All certificates in a home that can be read, the authority's first."""
    store = Store(home)
    found = looked(lambda: sorted((store.folder / "clients").glob("*.crt")))
    clients = [] if isinstance(found, Unlooked) else found
    read = [
        looked(partial(read_certificate, one)) for one in (store.authority, store.server, *clients)
    ]
    return tuple(one for one in read if not isinstance(one, Unlooked))


def write_whole(
    path: Path, content: bytes, mode: int, owner: tuple[int, int] | None = None
) -> None:
    """Write a file whole or not at all, with mode and owner; a link in its place is replaced.

    Raises FileNotWritten.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
            file.write(content)
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise FileNotWritten(error.strerror or str(error), path=path) from None


def read_whole(path: Path) -> bytes:
    """A file's content; a link is none, since it may lead where its owner does not get by itself.

    Raises OSError.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read()


def _now() -> datetime:
    return datetime.now(UTC)
