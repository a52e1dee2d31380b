"""Logging of the processes that the command line starts: text for people or JSON lines.

Whoever logs gives what the line is about as `extra`, with the names in FIELDS:

    log.info("the task failed", extra={"task": str(task_id), "attempt": 2})
"""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agentpg.cli.output import visible
from agentpg.redaction import SECRETS_ALONE, Redaction, redaction_of

if TYPE_CHECKING:
    from agentpg.settings import Settings

FIELDS = ("worker", "agent", "task", "attempt")


def start_logging(settings: Settings) -> None:
    """Send the log lines of this process to standard error, as the settings say.

    Libraries speak from `warning` on only, unless the level is `debug`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(settings.log_format, redaction_of(settings)))
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    logging.getLogger("agentpg").setLevel(level)
    if level == logging.DEBUG:
        logging.getLogger().setLevel(level)
    logging.captureWarnings(capture=True)


def formatter(log_format: str, redaction: Redaction = SECRETS_ALONE) -> logging.Formatter:
    """The formatter for `text` or `json`; what the redaction names is hidden."""
    if log_format != "json":
        return TextFormatter(redaction)
    from pythonjsonlogger.json import JsonFormatter

    class HidingFormatter(JsonFormatter):
        """Lines of JSON without secrets in any of their texts."""

        def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
            """Hide what must not be read, in whatever a record has."""
            return {
                name: redaction.hide(value) if isinstance(value, str) else value
                for name, value in super().process_log_record(log_data).items()
            }

    return HidingFormatter(
        ["levelname", "name", "message"],
        rename_fields={"levelname": "level", "name": "logger"},
        timestamp="time",
        json_ensure_ascii=False,
    )


class TextFormatter(logging.Formatter):
    """Lines such as: 2026-03-01T10:00:05.123+09:00 INFO the task failed task=… attempt=2"""

    def __init__(self, redaction: Redaction = SECRETS_ALONE) -> None:
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback's lines where there is one; no control characters."""
        moment = datetime.fromtimestamp(record.created).astimezone()
        named = [f"{name}={getattr(record, name)}" for name in FIELDS if hasattr(record, name)]
        line = " ".join(
            [
                moment.isoformat(timespec="milliseconds"),
                f"{record.levelname:<7}",
                " ".join(self._redaction.hide(record.getMessage()).splitlines()),
                *named,
            ]
        )
        if record.exc_info:
            trace = self._redaction.hide(self.formatException(record.exc_info))
            return visible(f"{line}\n{trace}")
        if record.exc_text:  # it comes from another process
            return visible(f"{line}\n{self._redaction.hide(record.exc_text)}")
        return visible(line)
