"""Handing metrics out: on a port, or in a file that node_exporter's textfile collector reads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from prometheus_client import start_http_server

from agentpg.desk.files import replace_file
from agentpg.desk.monitor.metrics.collecting import Collecting
from agentpg.desk.monitor.metrics.rendering import registry_of, text_of
from agentpg.errors import AddressWrong, FileNotWritten
from agentpg.language import N_

_log = logging.getLogger("agentpg.monitor")

_NO_PORT = N_("it has no port between 0 and 65535")


def parse_address(text: str) -> tuple[str, int]:
    """Host and port; without a host the loopback one. Raises AddressWrong.

    >>> parse_address("9187"), parse_address("[::1]:9187")
    (('127.0.0.1', 9187), ('::1', 9187))
    """
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise AddressWrong(_NO_PORT, address=text)
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


@contextmanager
def served(collecting: Collecting, host: str, port: int) -> Iterator[int]:
    """Within it, whoever asks this address gets the metrics; gives the port.

    Raises AddressWrong.
    """
    try:
        server, thread = start_http_server(port, host, registry_of(collecting))
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AddressWrong(reason, address=f"{host}:{port}") from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_file(collecting: Collecting, path: Path) -> None:
    """Write the metrics; a reader sees the former file or this one. Raises FileNotWritten."""
    replace_file(path, text_of(collecting))


def keep_writing(
    collecting: Collecting, path: Path, every: timedelta, ended: threading.Event
) -> None:
    """Write them again and again until `ended`.

    Raises FileNotWritten where the first can't be; later ones are logged, since a full disk
    may have room again.
    """
    write_file(collecting, path)
    while not ended.wait(every.total_seconds()):
        try:
            write_file(collecting, path)
        except FileNotWritten as error:
            _log.warning("%s", error)
