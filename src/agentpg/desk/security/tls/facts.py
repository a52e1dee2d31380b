"""What is known of a certificate, and of a list of revoked ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A certificate, from a file or as a server shows it. `bits` is the length of its RSA key."""

    subject: str
    names: tuple[str, ...]
    issuer: str
    begins_at: datetime
    ends_at: datetime
    serial: str
    self_signed: bool
    bits: int | None = None
    hash_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedList:
    """A list of revoked certificates, and until when it holds."""

    file: str
    ends_at: datetime | None
    count: int
