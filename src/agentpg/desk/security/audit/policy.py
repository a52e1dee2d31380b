"""From where on an audit speaks: the thresholds, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is still well; what is not is a finding."""

    # Within this a password must be changed, so that nobody is locked out on the day.
    expiry_warning: timedelta = timedelta(days=14)

    # A quarter, as most policies have it, and a year, which none has.
    password_age_info: timedelta = timedelta(days=90)
    password_age_warning: timedelta = timedelta(days=365)

    # PostgreSQL's own; longer lets strangers hold slots of connections.
    authentication_seconds: int = 60

    # A network of an office or a site; wider ones are nobody's alone.
    widest_ipv4: int = 16
    widest_ipv6: int = 64

    # RFC 7677 asks for so many at least.
    scram_rounds: int = 4096

    # So many findings of one check are told one by one.
    told: int = 20
