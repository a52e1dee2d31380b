"""Sealed files: only a key opens them, and what was changed or cut short is noticed."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentpg.desk.backup.storage.keys import public_key
from agentpg.desk.backup.storage.sealing import Seal, age_library
from agentpg.errors import AgentpgError, FileNotWritten, KeyNotFitting, SealDamaged

pytestmark = pytest.mark.without_server

PROGRAM = shutil.which("age")
with_age = pytest.mark.skipif(PROGRAM is None, reason="the program age is not installed")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")

# What the format puts into one authenticated piece.
_PIECE = 64 * 1024


def new_seal() -> Seal:
    secret = str(age_library().x25519.Identity.generate())
    return Seal((public_key(secret),), (secret,))


@pytest.fixture
def seal() -> Seal:
    return new_seal()


@pytest.fixture(params=[0, 1, _PIECE, 3 * _PIECE, 3 * _PIECE + 1])
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "plain"
    path.write_bytes(os.urandom(request.param))
    return path


def test_a_file_comes_back(seal: Seal, plain: Path, tmp_path: Path) -> None:
    written = seal.seal(plain, tmp_path / "sealed")
    assert written.size_bytes == (tmp_path / "sealed").stat().st_size
    said = subprocess.run(
        ["sha256sum", tmp_path / "sealed"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith(written.sha256)
    seal.unseal(tmp_path / "sealed", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == plain.read_bytes()


@with_age
def test_the_program_reads_ours(seal: Seal, plain: Path, tmp_path: Path) -> None:
    seal.seal(plain, tmp_path / "sealed")
    (tmp_path / "key").write_text(f"# a comment\n{seal.secret_keys[0]}\n")
    said = subprocess.run(
        ["age", "--decrypt", "--identity", tmp_path / "key", tmp_path / "sealed"],
        capture_output=True,
        check=True,
    )
    assert said.stdout == plain.read_bytes()


@with_age
def test_we_read_the_program_s(seal: Seal, plain: Path, tmp_path: Path) -> None:
    subprocess.run(
        ["age", "--recipient", seal.recipients[0], "--output", tmp_path / "sealed", plain],
        check=True,
    )
    seal.unseal(tmp_path / "sealed", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == plain.read_bytes()


def test_every_recipient_opens_it(plain: Path, tmp_path: Path) -> None:
    one, other = new_seal(), new_seal()
    Seal((*one.recipients, *other.recipients)).seal(plain, tmp_path / "sealed")
    for number, seal in enumerate((one, other)):
        seal.unseal(tmp_path / "sealed", tmp_path / f"back-{number}")
        assert (tmp_path / f"back-{number}").read_bytes() == plain.read_bytes()


def test_another_key_opens_nothing(seal: Seal, plain: Path, tmp_path: Path) -> None:
    seal.seal(plain, tmp_path / "sealed")
    with pytest.raises(KeyNotFitting, match=r"no key at hand opens .*sealed"):
        new_seal().unseal(tmp_path / "sealed", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def _sealed(seal: Seal, size: int) -> bytes:
    target = io.BytesIO()
    seal.seal_to(io.BytesIO(os.urandom(size)), target)
    return target.getvalue()


def _fails(seal: Seal, content: bytes, target: Path) -> AgentpgError:
    with pytest.raises(SealDamaged) as raised:
        seal.unseal_to(io.BytesIO(content), target, name="toc.dat.age")
    assert not target.exists()
    return raised.value


def test_a_cut_file_is_noticed_wherever_it_is_cut(seal: Seal, tmp_path: Path) -> None:
    whole = _sealed(seal, 3 * _PIECE)
    head = len(whole) - 3 * (_PIECE + 16)
    ends = [0, 1, 30, head - 1, head, head + _PIECE + 16, head + 2 * (_PIECE + 16)]
    for end in [*ends, len(whole) - 1]:
        error = _fails(seal, whole[:end], tmp_path / "back")
        assert "toc.dat.age is damaged or cut short" in str(error), end


def test_one_flipped_bit_is_noticed_wherever_it_is(seal: Seal, tmp_path: Path) -> None:
    whole = _sealed(seal, 2 * _PIECE)
    head = len(whole) - 2 * (_PIECE + 16)
    for place in [0, 25, head - 20, head + 1, head + _PIECE, len(whole) - 1]:
        changed = bytearray(whole)
        changed[place] ^= 1
        # A change in the lines with the keys can look like another key.
        with pytest.raises((SealDamaged, KeyNotFitting)):
            seal.unseal_to(io.BytesIO(bytes(changed)), tmp_path / "back")
        assert not (tmp_path / "back").exists()


def test_more_than_was_sealed_is_noticed(seal: Seal, tmp_path: Path) -> None:
    whole = _sealed(seal, _PIECE)
    _fails(seal, whole + b"more", tmp_path / "back")
    _fails(seal, whole + whole, tmp_path / "back")


def test_what_is_not_sealed_is_told(seal: Seal, tmp_path: Path) -> None:
    assert "not a sealed file" in str(_fails(seal, b"PGDMP plain", tmp_path / "back"))


def test_a_stream_that_fails_is_named_as_it_fails(seal: Seal, tmp_path: Path) -> None:
    class Cut(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            raise FileNotWritten("the cable was cut", path="somewhere")

    with pytest.raises(FileNotWritten, match="the cable was cut"):
        seal.unseal_to(Cut(), tmp_path / "back")  # type: ignore[arg-type]
    with pytest.raises(FileNotWritten, match="the cable was cut"):
        seal.seal_to(Cut(), io.BytesIO())  # type: ignore[arg-type]


def test_a_file_that_is_there_stays(seal: Seal, plain: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(FileNotWritten, match="there"):
        seal.seal(plain, tmp_path / "there")
    assert (tmp_path / "there").read_text() == "mine"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


@as_root
def test_a_full_disk_leaves_nothing(seal: Seal, small: Path, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(3 * 1024**2))
    with pytest.raises(FileNotWritten, match="No space left"):
        seal.seal(tmp_path / "large", small / "sealed")
    seal.seal(tmp_path / "large", tmp_path / "sealed")
    with pytest.raises(FileNotWritten, match="No space left"):
        seal.unseal(tmp_path / "sealed", small / "back")
    assert list(small.iterdir()) == []


_MEMORY = """
import sys
from pathlib import Path
from agentpg.desk.backup.storage.keys import public_key
from agentpg.desk.backup.storage.sealing import Seal, age_library
secret = str(age_library().x25519.Identity.generate())
seal = Seal((public_key(secret),), (secret,))
def peak():
    # Not ru_maxrss, which begins with what the process that started this one has.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024
seal.seal(Path(sys.argv[1]), Path(sys.argv[2]))
seal.unseal(Path(sys.argv[2]), Path(sys.argv[3]))
print(peak())
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(300 * 1024**2)
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, tmp_path / "big", tmp_path / "sealed", tmp_path / "back"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 150, "MiB in all"
    assert (tmp_path / "back").stat().st_size == 300 * 1024**2
