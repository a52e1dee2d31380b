"""Which backup is meant where none is named, in a repository of several databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from agentpg.desk.backup.model import Source
from agentpg.desk.backup.recovery.aiming import take_aim
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.storage.choosing import choose_backup, choose_to_restore
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.records import complete
from agentpg.errors import DatabaseUnavailable, NoBackups, NoBaseBackups, SourceUnclear
from tests.desk.backup.sample import NOON, SOURCE, a_backup, store_base

pytestmark = pytest.mark.without_server

OTHER = replace(SOURCE, system_identifier="7300000000000000002", target="staging:5432/agentic_ai")


def _unreachable() -> Source:
    raise DatabaseUnavailable("it is gone", target="localhost:5432/agentic_ai")


def _put(folder: Folder, name: str, source: Source, hours: int) -> None:
    moment = NOON + timedelta(hours=hours)
    complete(folder, a_backup(name, source=source, taken_at=moment))


def test_the_newest_of_one_database_is_meant_whoever_asks(folder: Folder) -> None:
    with pytest.raises(NoBackups):
        choose_backup(folder, None, _unreachable)
    _put(folder, "first", SOURCE, 1)
    _put(folder, "second", SOURCE, 2)
    for present in (lambda: SOURCE, lambda: OTHER, _unreachable):
        assert choose_backup(folder, None, present).name == "second"


def test_of_several_databases_the_present_ones_newest_is_meant(folder: Folder) -> None:
    _put(folder, "ours", SOURCE, 1)
    _put(folder, "theirs", OTHER, 2)
    assert choose_backup(folder, None, lambda: SOURCE).name == "ours"
    assert choose_backup(folder, None, lambda: OTHER).name == "theirs"
    assert choose_backup(folder, "theirs", lambda: SOURCE).name == "theirs"


@pytest.mark.parametrize("known", [False, True])
def test_of_several_databases_none_is_guessed(folder: Folder, known: bool) -> None:
    _put(folder, "ours", SOURCE, 1)
    _put(folder, "theirs", OTHER, 2)
    fresh = replace(SOURCE, system_identifier="7300000000000000003")
    with pytest.raises(SourceUnclear) as caught:
        choose_backup(folder, None, (lambda: fresh) if known else _unreachable)
    assert "staging:5432" in str(caught.value)


def test_what_goes_into_a_database_is_restored_and_nothing_over_another(folder: Folder) -> None:
    complete(folder, a_backup("cluster", kind="base", taken_at=NOON + timedelta(hours=9)))
    assert choose_to_restore(folder, None, _unreachable).name == "cluster"
    _put(folder, "first", SOURCE, 1)
    _put(folder, "second", SOURCE, 2)
    assert choose_to_restore(folder, None, _unreachable).name == "second"
    assert choose_to_restore(folder, None, _unreachable, SOURCE.database).name == "second"
    with pytest.raises(SourceUnclear, match=SOURCE.database):
        choose_to_restore(folder, None, _unreachable, "another")
    assert choose_to_restore(folder, "first", _unreachable, "another").name == "first"


def test_a_recovery_needs_a_copy_of_the_cluster(folder: Folder) -> None:
    _put(folder, "ours", SOURCE, 1)
    with pytest.raises(NoBaseBackups):
        take_aim(folder, None, Target(by="latest"), lambda: SOURCE)


def test_the_only_one_of_its_kind_is_not_taken_from_another_database(folder: Folder) -> None:
    complete(folder, a_backup("cluster", kind="base"))
    _put(folder, "theirs", OTHER, 1)
    assert choose_to_restore(folder, None, lambda: SOURCE, SOURCE.database).name == "cluster"
    assert choose_to_restore(folder, None, lambda: OTHER, OTHER.database).name == "theirs"
    with pytest.raises(SourceUnclear, match="staging:5432"):
        choose_to_restore(folder, None, _unreachable, SOURCE.database)


def test_the_only_copy_of_a_cluster_is_not_taken_for_that_of_another(folder: Folder) -> None:
    beside, here = replace(OTHER, database="postgres"), Target(by="backup")
    copy = store_base(folder, 0, 5, source=OTHER)
    _put(folder, "beside", beside, 1)
    assert take_aim(folder, None, here, _unreachable).backup == copy
    _put(folder, "ours", SOURCE, 2)
    assert take_aim(folder, None, here, lambda: beside).backup == copy
    with pytest.raises(NoBaseBackups):
        take_aim(folder, None, here, lambda: SOURCE)
    with pytest.raises(SourceUnclear, match="staging:5432"):
        take_aim(folder, None, here, _unreachable)
