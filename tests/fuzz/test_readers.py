"""Every reader stands the inputs that fuzzing begins with, what once broke one, and some noise."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.targets import REGRESSIONS, targets

pytestmark = pytest.mark.without_server

_NAMES = sorted(targets())

_MARKS = (b"\0", b"'", b'"', b"\\", b"$$", b"%s", b"{}", b"\xff", b"[" * 2000)
_SIGNS = (*range(0x20, 0x250), *range(0x2000, 0x2070), *range(0xAC00, 0xAC20), 0x1F600, 0x10FFFF)


@pytest.mark.parametrize("name", _NAMES)
def test_a_reader_stands_what_fuzzing_begins_with_and_has_found(name: str) -> None:
    target = targets()[name]
    for seed in target.seeds:
        target.feed(seed)
        target.feed(seed[: len(seed) // 2])
    for path in sorted(REGRESSIONS.glob(f"{name}/*")):
        target.feed(path.read_bytes())


@pytest.mark.parametrize("name", _NAMES)
def test_a_reader_stands_a_hundred_hostile_inputs(name: str) -> None:
    """What it begins with, cut at any place, and with noise there: always the same hundred."""
    target, chance = targets()[name], Random(name)
    for number in range(100):
        seed = target.seeds[number % len(target.seeds)]
        at = chance.randint(0, len(seed))
        rest = seed[at if chance.random() < 0.7 else chance.randint(0, len(seed)) :]
        data = seed[:at] + noise(chance) + rest
        try:
            target.feed(data)
        except BaseException as error:
            error.add_note(f"{name} was fed {data!r}")
            raise


def noise(chance: Random) -> bytes:
    """Bytes, text of any plane of Unicode, or what some reader takes for more than a text."""
    length = chance.randint(0, 40)
    match chance.randrange(3):
        case 0:
            return chance.randbytes(length)
        case 1:
            return "".join(map(chr, chance.choices(_SIGNS, k=length))).encode()
    return chance.choice(_MARKS)


def test_each_regression_has_a_reader() -> None:
    assert {path.name for path in REGRESSIONS.iterdir() if path.is_dir()} <= set(_NAMES)
