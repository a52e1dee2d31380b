"""What the tests of backups share: repositories, options, and databases with something in them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions
from agentpg.desk.backup.storage.bucket import Bucket, open_bucket
from agentpg.desk.backup.storage.folder import Folder, open_folder
from tests.cable import Cable
from tests.desk.backup.pushed import Pythons
from tests.servers import PG_BIN
from tests.storage import Storage


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A repository in a folder that is not there yet."""
    return open_folder(tmp_path / "above" / "repository")


@pytest.fixture
def options(tmp_path: Path) -> Callable[..., CreateOptions]:
    """Call it for the options of a backup."""

    def make(**other: Any) -> CreateOptions:
        return CreateOptions(**{"stages": tmp_path / "stages", "pg_bin": PG_BIN, **other})

    return make


@pytest.fixture(scope="session")
def pythons() -> Iterator[Pythons]:
    """Gives a Python that the account of a server may run."""
    with tempfile.TemporaryDirectory(prefix="agentpg-python-") as folder:
        yield Pythons(Path(folder))


@pytest.fixture
def filled(database: Database) -> Database:
    """An installation with some tasks and a table of its own."""
    fill(database)
    return database


def fill(database: Database, rows: int = 1000) -> None:
    """Submit tasks, and make a table with this many rows."""
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO tasks (id, agent_name, task_type, status, created_at)"
            " SELECT gen_random_uuid(), 'Agent', 'work', 'pending', now()"
            " FROM generate_series(1, %s)",
            [rows],
        )
        connection.execute("CREATE TABLE notes (id bigserial PRIMARY KEY, text text)")
        connection.execute(
            "INSERT INTO notes (text) SELECT repeat(md5(n::text), 10)"
            " FROM generate_series(1, %s) AS n",
            [rows],
        )


@pytest.fixture
def bucket(storage: Storage, bucket_name: str) -> Bucket:
    """The repository in it."""
    return open_bucket(storage.settings(bucket_name))


@pytest.fixture
def far_bucket(storage: Storage, bucket_name: str, cable: Cable) -> Bucket:
    """The same bucket through the cable, with few attempts."""
    return open_bucket(storage.settings(bucket_name, port=cable.port, backup_s3_attempts=3))
