"""What we depend on is locked, may be used, and names no place that it comes from.

What has known holes is asked by `make audit`, which needs a network; this needs none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest

pytestmark = pytest.mark.without_server

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-safety.txt")

_PINNED = re.compile(r"([a-z0-9][a-z0-9._-]*)==([0-9][\w.!+]*)(?: ; .+)?", re.IGNORECASE)
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")

# Licences by which it may be used, changed and passed on with ours; of weak copyleft those that
# ask for nothing where a library is used as it is.
_ALLOWED = re.compile(
    r"\b(?:MIT|BSD|0BSD|Apache|ISC|PSF|Python Software Foundation|MPL[- ]2\.0"
    r"|Mozilla Public License 2\.0|LGPL|GNU Lesser|Unlicense|Zlib|PostgreSQL|CC0|HPND|ZPL)\b",
    re.IGNORECASE,
)
# What names no licence in its metadata, and has one in its files.
_KNOWN = {"pyrage": "MIT"}


def requirements(lock: str) -> Iterator[tuple[str, list[str]]]:
    """Each requirement of a lock, and what follows it."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        words = line.partition("#")[0].split("--hash")
        if words[0].strip():
            yield words[0].strip(), [f"--hash{word}".strip() for word in words[1:]]


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_is_locked_with_hashes(lock: str) -> None:
    found = list(requirements(lock))
    assert len(found) > 10
    for requirement, hashes in found:
        assert _PINNED.fullmatch(requirement), f"{requirement} is not pinned"
        assert hashes, f"{requirement} has no hash"
        assert all(map(_HASH.fullmatch, hashes)), requirement


@pytest.mark.parametrize("lock", [*LOCKS, "pyproject.toml", "Makefile"])
def test_no_lock_names_a_place_that_it_comes_from(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    for line in text.splitlines():
        said = line.partition("#")[0]
        assert "--index-url" not in said
        assert "--find-links" not in said
        assert "--trusted-host" not in said
        assert not re.search(r"(?:https?|file)://|git\+", said), line


def test_what_runs_is_what_is_locked() -> None:
    here = {_plain(one.metadata["Name"]): one.version for one in distributions()}
    other = {}
    for requirement, _ in requirements("requirements-dev.txt"):
        name, version = requirement.split(" ;")[0].split("==")
        if here.get(_plain(name), version) != version:
            other[name] = here[_plain(name)]
    assert other == {}


def test_every_licence_may_be_used_with_ours() -> None:
    refused = {}
    for requirement, _ in requirements("requirements.txt"):
        name = requirement.partition("==")[0]
        said = _licence(name)
        if not _ALLOWED.search(said):
            refused[name] = said
    assert refused == {}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _licence(name: str) -> str:
    if name in _KNOWN:
        return _KNOWN[name]
    about = distribution(name).metadata
    classifiers = [c for c in about.get_all("Classifier") or [] if c.startswith("License")]
    texts = [*(about.get_all("License-Expression") or []), *(about.get_all("License") or [])]
    return " ".join([*texts, *classifiers])
