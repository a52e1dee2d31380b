"""`agentpg demo`: real work on a private server, shown as it happens."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Command
from agentpg.cli.output import Output, Progress
from agentpg.cli.session import Session
from agentpg.cli.values import FOLDER_THERE
from agentpg.cli.wrapping import wrap
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.agents.demonstration import Shown


@click.command(
    "demo",
    cls=Command,
    examples="""
        agentpg demo
        # Summarise documents of your own, with a model of your own.
        OPENAI_BASE_URL=http://localhost:11434/v1 agentpg demo --documents ./notes
    """,
)
@click.option(
    "--documents",
    type=FOLDER_THERE,
    metavar="FOLDER",
    help="The documents to summarise.",
)
@click.pass_obj
def demo(session: Session, documents: Path | None) -> None:
    """Show real work being done, recorded and rescued.

    Starts a private PostgreSQL in the folder `demo` of `home`, runs the built-in agents on
    real documents with two workers, kills one worker in the middle, and ends with a report.
    Then everything is stopped; the folder is kept.
    """
    from agentpg.agents.demonstration import Demonstration
    from agentpg.cli.agent import show_statistics
    from agentpg.db import connect
    from agentpg.settings import drop_libpq_variables
    from agentpg.tasks.statistics import Statistics

    if documents is not None:
        session.overrides["documents"] = documents
    # Whatever ends the demonstration ends its server and its workers too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    # They are about another server; the workers and the way back do without them too.
    dropped = drop_libpq_variables()
    home = session.home / "demo"
    home.mkdir(parents=True, exist_ok=True)
    with (
        session.out.progress(session.translate(N_("tasks"))) as progress,
        Demonstration(session.settings, home, _Stage(session.out, progress)).running() as shown,
        connect(shown.database) as connection,
    ):
        statistics = Statistics(connection, shown.database.schema).agent_statistics()
    session.out.line()
    show_statistics(session, statistics)
    _show_ways_back(session, shown, dropped)


class _Stage:
    """Shows what happens, each line with the seconds since the beginning."""

    def __init__(self, out: Output, progress: Progress) -> None:
        self._out = out
        self._progress = progress
        self._began = time.monotonic()
        self._done = 0

    def tell(self, text: str, **values: object) -> None:
        """One thing that happened."""
        seconds = f"{time.monotonic() - self._began:5.1f} s  "
        sentence = self._out.translate(text).format_map(values)
        for line in wrap(sentence, self._out.width, first=seconds, rest=" " * len(seconds)):
            self._progress.say(line)

    def watch(self, done: int, total: int) -> None:
        """So many tasks have ended."""
        self._progress.expect(total)
        if done > self._done:
            self._progress.advance(done - self._done)
            self._done = done


def _show_ways_back(session: Session, shown: Shown, dropped: list[str]) -> None:
    """Where the results are, and how to look at the database again."""
    from agentpg.db import Database
    from agentpg.embedded import EmbeddedServer

    _, out = session.translate, session.out
    server = EmbeddedServer(shown.home, session.settings.pg_bin)
    out.line()
    out.facts(
        [
            (N_("The report"), shown.report["html_path"]),
            (N_("The schema's pages"), shown.schema_pages),
            (N_("The workers' log"), shown.home / "workers.log"),
        ]
    )
    out.line()
    out.line(_(N_("Everything is stopped; the data is kept. To look at it again:")))
    out.line()
    port = server.status().port
    paths = dict.fromkeys([Path(sys.executable).parent, server.tool("psql").parent])
    binaries = session.settings.pg_bin
    dsn = Database(server.dsn()).without_password()
    for line in (
        *([f"unset {' '.join(dropped)}"] if dropped else []),
        *([f"export AGENTPG_PG_BIN={shlex.quote(binaries)}"] if binaries else []),
        f"export AGENTPG_DSN={shlex.quote(dsn)}",
        f"export PATH={':'.join(shlex.quote(str(path)) for path in paths)}:$PATH",
        f"export AGENTPG_HOME={shlex.quote(str(shown.home))}",
        f"export PGPASSFILE={shlex.quote(str(shown.home / 'pgpass'))}",
        "agentpg server start",
        "agentpg status",
        f"psql -h localhost -p {port} -U admin -d agentic_ai",
        f"pg_dump -h localhost -p {port} -U admin -d agentic_ai > backup_$(date +%Y%m%d).sql",
    ):
        out.line(f"  {line}")
