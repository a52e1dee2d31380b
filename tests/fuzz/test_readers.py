"""Every reader stands the inputs that fuzzing begins with, what once broke one, and some noise."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.fuzz.targets import REGRESSIONS, targets

pytestmark = pytest.mark.without_server

_NAMES = sorted(targets())


@pytest.mark.parametrize("name", _NAMES)
def test_a_reader_stands_what_fuzzing_begins_with_and_has_found(name: str) -> None:
    target = targets()[name]
    for seed in target.seeds:
        target.feed(seed)
        target.feed(seed[: len(seed) // 2])
    for path in sorted(REGRESSIONS.glob(f"{name}/*")):
        target.feed(path.read_bytes())


@pytest.mark.parametrize("name", _NAMES)
@settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_reader_stands_a_hundred_hostile_inputs(name: str, data: st.DataObject) -> None:
    """Noise, and what it begins with, cut, doubled, and with noise in it."""
    target = targets()[name]
    seed = data.draw(st.sampled_from(target.seeds))
    at = data.draw(st.integers(0, len(seed)))
    noise = data.draw(
        st.one_of(
            st.binary(max_size=40),
            st.text(max_size=40).map(str.encode),
            st.sampled_from([b"\0", b"'", b'"', b"\\", b"$$", b"%s", b"{}", b"\xff", b"[" * 2000]),
        )
    )
    target.feed(seed[:at] + noise + seed[at:])


def test_each_regression_has_a_reader() -> None:
    assert {path.name for path in REGRESSIONS.iterdir() if path.is_dir()} <= set(_NAMES)
