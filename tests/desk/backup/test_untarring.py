"""An archive is unpacked into its folder and nowhere else, with Python's filter or without."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from agentpg.desk.backup.untarring import untar

pytestmark = pytest.mark.without_server


@pytest.fixture(params=["as it is", "as in Python 3.11.2"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to unpack into; Debian 12's Python has no filters."""
    if request.param != "as it is":
        monkeypatch.delattr(tarfile, "tar_filter", raising=False)
        monkeypatch.setattr(tarfile.TarFile, "extraction_filter", staticmethod(_as_before), False)
    return tmp_path / "target"


def _as_before(member: tarfile.TarInfo, _: str) -> tarfile.TarInfo:
    return member


def _unpack(target: Path, *members: tuple[str, str]) -> None:
    """Unpack an archive of files and, where the second says so, links to others."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, leads_to in members:
            member = tarfile.TarInfo(name)
            member.mode = 0o4777
            if leads_to:
                member.type, member.linkname = tarfile.SYMTYPE, leads_to
                archive.addfile(member)
            else:
                member.size = 4
                archive.addfile(member, io.BytesIO(b"text"))
    written.seek(0)
    # As a stream, like a backup's own.
    with tarfile.open(fileobj=written, mode="r|") as archive:
        untar(archive, target)


def test_all_is_unpacked(target: Path) -> None:
    _unpack(target, ("base/1", ""), ("PG_VERSION", ""), ("pg_tblspc/7", "/elsewhere"))
    assert (target / "base" / "1").read_text() == "text"
    assert (target / "PG_VERSION").stat().st_mode & 0o7777 == 0o755
    assert (target / "pg_tblspc" / "7").readlink() == Path("/elsewhere")


@pytest.mark.parametrize(
    "members", [(("../out", ""),), (("way", ".."), ("way/out", ""))], ids=["name", "link"]
)
def test_nothing_gets_outside(target: Path, members: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(tarfile.TarError, match="outside"):
        _unpack(target, *members)
    assert not (target.parent / "out").exists()
