"""What goes on when HealthAgent can't: a thread beside the worker that needs no database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agentpg.db import Database
from agentpg.desk.alerting.watching import Watch
from agentpg.errors import AgentpgError
from agentpg.notify.policy import policy_of
from agentpg.settings import Settings

_log = logging.getLogger("agentpg.notify")


@contextmanager
def watching(
    find_database: Callable[[], Database], settings: Settings, language: str
) -> Iterator[None]:
    """Watch within it whether the database answers and HealthAgent works, and tell people where
    not. Where there is nobody to tell, or no `dsn_monitor` for HealthAgent, nothing is done."""
    policy = policy_of(settings, language)
    if not settings.dsn_monitor or not any(one.ways for one in policy.contacts.values()):
        yield
        return
    stopping = threading.Event()
    watch = Watch(find_database, settings, policy)
    every = settings.notify_watch_interval.total_seconds()

    def go_on() -> None:
        while not stopping.wait(every):
            _step(watch)

    # A daemon: a server for mail that is slow must not hold up the end.
    threading.Thread(target=go_on, name="agentpg-watch", daemon=True).start()
    try:
        yield
    finally:
        stopping.set()


def _step(watch: Watch) -> None:
    try:
        watch.step()
    except AgentpgError as error:
        _log.warning("%s", error)
    except Exception:  # noqa: BLE001 - the next look may do better, and nobody else would tell
        _log.exception("the watch has failed")
