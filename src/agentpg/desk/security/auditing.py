"""An audit as a whole: looked at, judged, and weighed against what was accepted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from agentpg.db import Database
from agentpg.desk.security.audit.findings import find
from agentpg.desk.security.audit.looking import look_at_security
from agentpg.desk.security.audit.policy import Policy
from agentpg.desk.security.baseline import Weighed, read_baseline, weigh
from agentpg.settings import Settings


def audit(database: Database, settings: Settings) -> Weighed:
    """What the audit of a server finds, by the baseline of the settings.

    Raises DatabaseUnavailable, FileNotRead and BaselineWrong.
    """
    # A baseline that can't be used is said before anything is looked at.
    named = settings.audit_baseline
    accepted = read_baseline(Path(named).expanduser()) if named else ()
    found = find(look_at_security(database, settings), Policy())
    return weigh(found, accepted, datetime.now(UTC).date())
