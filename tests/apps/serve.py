"""A worker process over one of these apps: python -m tests.apps.serve tests.apps.plain

SIGTERM stops it within its grace; a second one stops it at once.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from importlib import import_module

from agentpg.db import configured
from agentpg.settings import load_settings
from agentpg.tasks.worker import Worker


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    settings = load_settings()
    database = configured(settings)
    assert database is not None
    asyncio.run(_serve(Worker(import_module(sys.argv[1]).app, database, settings)))


async def _serve(worker: Worker) -> None:
    told = False

    def tell() -> None:
        nonlocal told
        if told:
            worker.stop_now()
        else:
            worker.stop()
        told = True

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, tell)
    await worker.run()


if __name__ == "__main__":
    main()
