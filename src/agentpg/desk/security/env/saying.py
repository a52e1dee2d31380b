"""What the checks around an installation say alike."""

from __future__ import annotations

from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

Said = tuple[Finding, ...]

# So many are told one by one.
TOLD = 20

ROTATE = Remedy(sentence=N_("Take what stood there for known: change the password, then clean up."))
