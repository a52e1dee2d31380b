"""Logging of the processes that the command line starts: text for people or JSON lines.

Whoever logs gives what the line is about as `extra`, with the names in FIELDS:

    log.info("the task failed", extra={"task": str(task_id), "attempt": 2})
"""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from typing import TYPE_CHECKING

from agentpg.cli.output import visible

if TYPE_CHECKING:
    from agentpg.settings import Settings

FIELDS = ("worker", "agent", "task", "attempt")


def start_logging(settings: Settings) -> None:
    """Send the log lines of this process to standard error, as the settings say.

    Libraries speak from `warning` on only, unless the level is `debug`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(settings.log_format))
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    logging.getLogger("agentpg").setLevel(level)
    if level == logging.DEBUG:
        logging.getLogger().setLevel(level)
    logging.captureWarnings(capture=True)


def formatter(log_format: str) -> logging.Formatter:
    """The formatter for `text` or `json`."""
    if log_format != "json":
        return TextFormatter()
    from pythonjsonlogger.json import JsonFormatter

    return JsonFormatter(
        ["levelname", "name", "message"],
        rename_fields={"levelname": "level", "name": "logger"},
        timestamp="time",
        json_ensure_ascii=False,
    )


class TextFormatter(logging.Formatter):
    """Lines such as: 2026-03-01T10:00:05.123+09:00 INFO the task failed task=… attempt=2"""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback's lines where there is one; no control characters."""
        moment = datetime.fromtimestamp(record.created).astimezone()
        named = [f"{name}={getattr(record, name)}" for name in FIELDS if hasattr(record, name)]
        line = " ".join(
            [
                moment.isoformat(timespec="milliseconds"),
                f"{record.levelname:<7}",
                " ".join(record.getMessage().splitlines()),
                *named,
            ]
        )
        if record.exc_info:
            return visible(f"{line}\n{self.formatException(record.exc_info)}")
        if record.exc_text:  # it comes from another process
            return visible(f"{line}\n{record.exc_text}")
        return visible(line)
