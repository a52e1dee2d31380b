"""How a dump is compressed, by what pg_dump can."""

from __future__ import annotations

import subprocess

import pytest

from agentpg.desk.backup.making.compressing import choose_compression, compression_option
from agentpg.desk.backup.programs import Programs, find_programs
from agentpg.errors import CompressionNotBuilt, CompressionUnknown
from tests.servers import PG_BIN


@pytest.fixture
def programs() -> Programs:
    """Those of the tests' server."""
    return find_programs(PG_BIN, 15)


def test_what_is_chosen_is_what_pg_dump_can(programs: Programs) -> None:
    chosen = choose_compression("", programs)
    assert chosen in ("gzip:6", "zstd:3")
    assert choose_compression(chosen, programs) == chosen
    assert choose_compression("gzip", programs) == "gzip:6"
    assert choose_compression("none", programs) == "none"


@pytest.mark.parametrize("method", ["zstd", "lz4"])
def test_what_this_pg_dump_lacks_is_said(programs: Programs, method: str) -> None:
    command = [str(programs.tool("pg_dump")), "-Fc", f"-Z{method}", "-h/nowhere"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    if "connection" in said:
        assert choose_compression(f"{method}:1", programs) == f"{method}:1"
        return
    with pytest.raises(CompressionNotBuilt) as failure:
        choose_compression(f"{method}:1", programs)
    assert programs.version in str(failure.value)
    assert "gzip" in failure.value.advice()


@pytest.mark.parametrize("wanted", ["gzip:10", "gzip:0", "zstd:20", "zip", "gzip:", " "])
def test_what_there_is_not_is_refused(programs: Programs, wanted: str) -> None:
    with pytest.raises(CompressionUnknown):
        choose_compression(wanted, programs)


def test_each_version_gets_it_in_its_own_form(programs: Programs) -> None:
    old, new = Programs(programs.folder, "15.18"), Programs(programs.folder, "16.2")
    assert compression_option("gzip:4", old) == "--compress=4"
    assert compression_option("none", old) == "--compress=0"
    assert compression_option("gzip:4", new) == "--compress=gzip:4"
    assert compression_option("none", new) == "--compress=none"
