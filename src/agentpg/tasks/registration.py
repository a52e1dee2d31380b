"""A worker's place in the table of workers."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from agentpg.db import Jsonb


@dataclass(slots=True)
class Registration:
    """Under which id a worker process works now; a new one after it was declared dead."""

    handlers: list[tuple[str, str]]
    concurrency: int
    lease: timedelta
    id: UUID = field(default_factory=uuid7)

    def row(self, id: UUID | None = None) -> dict[str, Any]:  # noqa: A002 - the column's name
        """The parameters of the statement `register`, for this id or the present one."""
        return {
            "id": id or self.id,
            "host": socket.gethostname()[:255],
            "pid": os.getpid(),
            "version": version("agentpg"),
            "concurrency": self.concurrency,
            "lease_seconds": self.lease.total_seconds(),
            "handlers": Jsonb([list(key) for key in self.handlers]),
        }
