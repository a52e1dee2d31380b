"""The metrics of backups, as the repository has them."""

from __future__ import annotations

from collections.abc import Iterator

from agentpg.db import Database, secured
from agentpg.desk.backup.inspection.facts import Catalogue
from agentpg.desk.backup.inspection.looking import look_at_catalogue
from agentpg.desk.monitor.metrics.parts import Sample
from agentpg.settings import Settings


def look_at_backups(database: Database, settings: Settings) -> list[Sample]:
    """How many backups there are, and when the last was taken and proved."""
    database = Database(secured(settings.dsn_backup, settings) or database.dsn, database.schema)
    return list(_samples(look_at_catalogue(database, settings)))


def _samples(catalogue: Catalogue) -> Iterator[Sample]:
    yield Sample("agentpg_backups", [], float(len(catalogue.known)))
    if catalogue.known:
        taken = max(one.backup.taken_at for one in catalogue.known)
        yield Sample("agentpg_backup_last_timestamp_seconds", [], taken.timestamp())
    proved = catalogue.last_passed
    if proved is not None:
        moment = proved[1].ended_at.timestamp()
        yield Sample("agentpg_backup_last_proved_timestamp_seconds", [], moment)
