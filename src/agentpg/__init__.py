"""agentpg runs, records and operates AI agents' work on PostgreSQL.

The public names. Each is imported when it is first used, so that the command line can
show its help without loading the driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentpg.db import Database
    from agentpg.embedded import EmbeddedServer
    from agentpg.errors import AgentpgError
    from agentpg.settings import Settings, load_settings
    from agentpg.tasks.client import Client
    from agentpg.tasks.client_async import AsyncClient
    from agentpg.tasks.handlers import App, Permanent
    from agentpg.tasks.limits import Limit
    from agentpg.tasks.model import Execution, LlmRequest, NewTask, Progress, Task, TaskEvent
    from agentpg.tasks.retry import Backoff
    from agentpg.tasks.run import Run
    from agentpg.tasks.schedules import NewSchedule, Schedule
    from agentpg.tasks.worker import Worker

__all__ = [
    "AgentpgError",
    "App",
    "AsyncClient",
    "Backoff",
    "Client",
    "Database",
    "EmbeddedServer",
    "Execution",
    "Limit",
    "LlmRequest",
    "NewSchedule",
    "NewTask",
    "Permanent",
    "Progress",
    "Run",
    "Schedule",
    "Settings",
    "Task",
    "TaskEvent",
    "Worker",
    "load_settings",
]

_HOMES = {
    "AgentpgError": "errors",
    "App": "tasks.handlers",
    "AsyncClient": "tasks.client_async",
    "Backoff": "tasks.retry",
    "Client": "tasks.client",
    "Database": "db",
    "EmbeddedServer": "embedded",
    "Execution": "tasks.model",
    "Limit": "tasks.limits",
    "LlmRequest": "tasks.model",
    "NewSchedule": "tasks.schedules",
    "NewTask": "tasks.model",
    "Permanent": "tasks.handlers",
    "Progress": "tasks.model",
    "Run": "tasks.run",
    "Schedule": "tasks.schedules",
    "Settings": "settings",
    "Task": "tasks.model",
    "TaskEvent": "tasks.model",
    "Worker": "tasks.worker",
    "load_settings": "settings",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'agentpg' has no attribute {name!r}")
    return getattr(import_module(f"agentpg.{_HOMES[name]}"), name)
