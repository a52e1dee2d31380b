"""Backups of kind dump: pg_dump's directory format, made by several connections at once."""

from __future__ import annotations

from dataclasses import replace

from agentpg.desk.backup.creating import Job, Made
from agentpg.desk.backup.making.compressing import choose_compression, compression_option
from agentpg.desk.backup.making.dumping import dump_moment, dump_options
from agentpg.desk.backup.proof.moment import Moment
from agentpg.desk.backup.storage.stage import Stage

DATA = "data"


def make(job: Job, stage: Stage) -> Made:
    """Make the files of a dump in the stage."""
    compression = choose_compression(job.options.compression, job.programs)

    def command(moment: Moment) -> list[str]:
        return [
            str(job.programs.tool("pg_dump")),
            "--format=directory",
            f"--jobs={job.options.jobs}",
            f"--file={stage.folder / DATA}",
            compression_option(compression, job.programs),
            *dump_options(job, moment),
        ]

    made = dump_moment(job, stage, command, compression)
    return replace(made, details={"jobs": job.options.jobs, **made.details})
