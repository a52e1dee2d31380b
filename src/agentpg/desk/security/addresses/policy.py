"""From where on addresses and certificates are spoken of: the thresholds, with their reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from agentpg.desk.check import exactly
from agentpg.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """From where on a finding is a warning, and from where on critical."""

    # Renewing takes a command; having it noticed and planned takes a working month.
    expiry_warning: timedelta = timedelta(days=30)
    # Somebody has to be called now, also at the weekend.
    expiry_critical: timedelta = timedelta(days=7)

    # A site's own network is a /16 of IPv4 or a /64 of IPv6 at most.
    widest_v4: int = 16
    widest_v6: int = 64

    # What the CA/Browser Forum and NIST SP 800-57 ask at least of an RSA key.
    least_bits: int = 2048

    @property
    def thresholds(self) -> dict[str, str]:
        """What a finding was compared with, by the code of its check."""
        said = f"< {exactly(self.expiry_warning)} / < {exactly(self.expiry_critical)}"
        said += " (certificate_warning, certificate_critical)"
        return {"L12": said, "L16": said}


def policy_of(settings: Settings) -> Policy:
    """The policy that the settings make."""
    return Policy(
        expiry_warning=settings.certificate_warning, expiry_critical=settings.certificate_critical
    )
