"""A private PostgreSQL in a folder: binaries, initdb, start, stop."""

from agentpg.embedded.postmaster import StopMode
from agentpg.embedded.server import EmbeddedServer, ServerStatus

__all__ = ["EmbeddedServer", "ServerStatus", "StopMode"]
