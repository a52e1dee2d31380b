"""The peers' programs and locks."""

from __future__ import annotations

import json

import pytest

from benchmarks.roster import FAST, FOLDER, IN_NODE, IN_PYTHON, NODE_FOLDER, ORDER, OURS

pytestmark = pytest.mark.without_server


def test_every_peer_is_in_one_language_and_has_a_program() -> None:
    assert set(ORDER) == {OURS, *IN_PYTHON, *IN_NODE}
    assert set(FAST) < set(ORDER)
    programs = [FOLDER / "peers" / f"{key}.py" for key in (OURS, *IN_PYTHON)]
    programs += [NODE_FOLDER / f"{key}.mjs" for key in IN_NODE]
    assert [path for path in programs if not path.exists()] == []


def test_packages_for_node_are_locked_by_hash_and_name_no_place() -> None:
    lock = json.loads((NODE_FOLDER / "package-lock.json").read_text(encoding="utf-8"))
    wanted = json.loads((NODE_FOLDER / "package.json").read_text(encoding="utf-8"))
    packages = {place: about for place, about in lock["packages"].items() if place}
    assert all("integrity" in about and "resolved" not in about for about in packages.values())
    assert {f"node_modules/{name}" for name in wanted["dependencies"]} <= packages.keys()
    assert lock["packages"][""]["dependencies"] == wanted["dependencies"]


@pytest.mark.parametrize("package", ["absurd-sdk", "absurdctl", "chancy", "dbos", "pgqueuer"])
def test_packages_for_python_are_locked_by_hash(package: str) -> None:
    lock = (FOLDER / "requirements.txt").read_text(encoding="utf-8")
    assert f"\n{package}==" in f"\n{lock}"
    assert "://" not in lock
    lines = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert lock.count("--hash=sha256:") >= len(lines)
