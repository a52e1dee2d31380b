"""A worker process over one of these apps: python -m tests.apps.serve tests.apps.plain"""

from __future__ import annotations

import logging
import sys
from importlib import import_module

from agentpg.db import Database, configured
from agentpg.settings import load_settings
from agentpg.tasks.service import Service, run_service


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    settings = load_settings()

    def find_database() -> Database:
        database = configured(settings)
        assert database is not None
        return database

    run_service(Service(import_module(sys.argv[1]).app, find_database, settings))


if __name__ == "__main__":
    main()
