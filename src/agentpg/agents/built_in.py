"""The built-in agents that can work here."""

from __future__ import annotations

from importlib.util import find_spec

from agentpg.agents.backup_agent import backup_app
from agentpg.agents.document_agent import document_app
from agentpg.agents.health_agent import health_app
from agentpg.agents.maintenance_agent import maintenance_app
from agentpg.agents.report_agent import report_app
from agentpg.agents.sampling import sampling_app
from agentpg.agents.schema_agent import schema_app
from agentpg.agents.vacuuming import vacuuming_app
from agentpg.settings import Settings
from agentpg.tasks.handlers import App


def built_in_app(settings: Settings) -> App:
    """The handlers and schedules of every agent that has what it needs.

    SchemaAgent and MaintenanceAgent need `dsn_admin`, BackupAgent `dsn_backup`, ReportAgent and
    HealthAgent `dsn_monitor`, DocumentAgent an endpoint and its client. A worker does not claim
    the tasks of the others.
    """
    app = App()
    if settings.dsn_admin:
        app.include(schema_app())
        app.include(maintenance_app())
        app.include(sampling_app())
        app.include(vacuuming_app())
    if settings.dsn_backup:
        app.include(backup_app(settings.time_zone))
    if settings.dsn_monitor:
        app.include(report_app(settings.time_zone))
        app.include(health_app())
    if (settings.openai_base_url or settings.openai_api_key) and find_spec("openai"):
        app.include(document_app())
    return app
