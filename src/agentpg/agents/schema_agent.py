"""SchemaAgent writes the schema pages from the live catalogue."""

from __future__ import annotations

from datetime import timedelta

from agentpg.agents.surroundings import folder_of, language_of, own_database
from agentpg.desk.catalogue import FOLDER, write_schema_pages
from agentpg.errors import FileNotOurs
from agentpg.language import translation
from agentpg.tasks.handlers import App, Permanent
from agentpg.tasks.run import Run

_TIMEOUT = timedelta(minutes=10)


def schema_app() -> App:
    """The handler SchemaAgent/document_schema; it needs the setting `dsn_admin`."""
    app = App()
    app.add(
        document_schema, agent_name="SchemaAgent", task_type="document_schema", timeout=_TIMEOUT
    )
    return app


def document_schema(run: Run, folder: str | None = None) -> dict[str, object]:
    """Write the pages into `folder`, knowledge-base/schemas in `home` by default.

    The result names the folder and its pages.
    """
    database = own_database(run, "AGENTPG_DSN_ADMIN", run.settings.dsn_admin)
    target = folder_of(run, folder, FOLDER)
    try:
        pages = write_schema_pages(database, target, translation(language_of(run)))
    except FileNotOurs as error:
        raise Permanent(str(error)) from None
    run.log.info("wrote %s pages into %s", len(pages), target)
    return {"folder": str(target), "pages": [page.name for page in pages]}
