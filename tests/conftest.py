"""What all tests share: real servers, fresh databases, and a clean environment."""

from __future__ import annotations

import gc
import os
import re
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Database
from agentpg.embedded.binaries import find_binaries
from tests.cable import Cable
from tests.places import write_to_memory
from tests.servers import PG_BIN, Mould, OwnServers, Reaper, SharedServer, remove_server
from tests.storage import Storage, read_models_once

_FOREIGN = re.compile(r"(AGENTPG|OPENAI|ANTHROPIC|AWS)_|PG[A-Z]+$|LANGUAGE$|LC_")

_SERVERS = {"shared_server", "own_server", "cluster"}


_COMMON = pytest.StashKey[Path]()
_REAPER = pytest.StashKey[Reaper]()


def pytest_configure(config: pytest.Config) -> None:
    """Let SIGTERM end the run the way Ctrl-C does, so that servers are stopped."""
    write_to_memory()
    _share_folder(config)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A run in the background ignores SIGINT, and would hand that on to what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _share_folder(config: pytest.Config) -> None:
    """Have a folder that all test processes of this run have in common."""
    if hasattr(config, "workerinput"):
        config.stash[_COMMON] = Path(config.workerinput["common"])
        return
    config.stash[_COMMON] = Path(tempfile.mkdtemp(prefix="agentpg-common-"))
    config.stash[_REAPER] = Reaper()
    config.stash[_REAPER].watch(config.stash[_COMMON])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each test process where the folder is that they have in common."""
    node.workerinput["common"] = str(node.config.stash[_COMMON])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove that folder at the end of the whole run."""
    if _REAPER in config.stash:
        config.stash[_REAPER].close()


def pytest_xdist_auto_num_workers() -> int:
    """Three processes more than there are processors: most of a test's time is spent waiting,
    for others or for time to pass."""
    return len(os.sched_getaffinity(0)) + 3


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage among what is collected: it lives as long as this process."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test that is said to meet no server and would get one."""
    for item in items:
        met = _SERVERS.intersection(getattr(item, "fixturenames", ()))
        if met and item.get_closest_marker("without_server"):
            raise pytest.UsageError(f"{item.nodeid} is marked without_server and uses {met}")


def pytest_report_header() -> str:
    """Which PostgreSQL the tests run on, and where they write."""
    binaries = find_binaries(PG_BIN)
    where = tempfile.gettempdir()
    return f"PostgreSQL {binaries.version} in {binaries.folder}; temporary files in {where}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Describe a failure without collecting garbage meanwhile.

    pytest parses the source for it. Before 3.11.8, Python fails in that ("AST constructor
    recursion depth mismatch") when a finalizer or another thread parses in between.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.fixture(autouse=True)
def clean_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer reaches a test, neither by environment nor by `.env`."""
    for name in os.environ:
        if _FOREIGN.match(name):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def reaper() -> Iterator[Reaper]:
    """Cleans up after this process even if it is killed."""
    process = Reaper()
    yield process
    process.close()


@pytest.fixture(scope="session")
def mould(pytestconfig: pytest.Config) -> Mould:
    """New data folders, of which servers get copies."""
    return Mould(pytestconfig.stash[_COMMON])


@pytest.fixture(scope="session")
def shared_server(reaper: Reaper, mould: Mould) -> Iterator[SharedServer]:
    """The server that the databases of this test process live in."""
    home = Path(tempfile.mkdtemp(prefix="agentpg-test-"))
    reaper.watch(home)
    server = SharedServer(home, mould)
    yield server
    server.close()
    remove_server(home)


@pytest.fixture
def database(shared_server: SharedServer) -> Iterator[Database]:
    """A fresh database with the schema."""
    with shared_server.database() as fresh:
        yield fresh


@pytest.fixture
def empty_database(shared_server: SharedServer) -> Iterator[Database]:
    """A fresh database without the schema."""
    with shared_server.database(empty=True) as fresh:
        yield fresh


@pytest.fixture
def superuser_dsn(shared_server: SharedServer) -> Callable[..., str]:
    """Call it, with the name of a database if need be, for the DSN of role postgres."""
    return shared_server.superuser_dsn


@pytest.fixture
def own_server(tmp_path: Path, reaper: Reaper, mould: Mould) -> Iterator[OwnServers]:
    """Call it for a server of the test's own, which it may kill."""
    servers = OwnServers(tmp_path, reaper, mould)
    yield servers
    servers.close()


@pytest.fixture(scope="session")
def storage() -> Iterator[Storage]:
    """A storage that speaks S3, for all tests of this process; it takes every key."""
    read_models_once()
    with tempfile.TemporaryDirectory(prefix="agentpg-storage-") as folder:
        server = Storage(Path(folder))
        yield server
        server.close()


@pytest.fixture
def cable(storage: Storage) -> Iterator[Cable]:
    """A cable to the storage, which the test may cut."""
    between = Cable(storage.port)
    yield between
    between.close()


@pytest.fixture
def bucket_name(storage: Storage) -> str:
    """A bucket of the test's own in the storage."""
    return storage.new_bucket()
