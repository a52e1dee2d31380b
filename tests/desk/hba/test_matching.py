"""The line of pg_hba.conf that decides: as the server itself reads the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentpg.desk.hba.matching import Asked, first_match
from agentpg.desk.hba.reading import read_lines

pytestmark = pytest.mark.without_server

HERE = {"user": "kim", "database": "work", "address": "10.0.0.7", "tls": False}


@pytest.mark.parametrize(
    ("line", "said", "fits"),
    [
        ("host all all all md5", {}, True),
        ('host "all" all all md5', {}, False),
        ('host "all" all all md5', {"database": "all"}, True),
        ("local all all peer", {}, False),
        ("local all all peer", {"address": ""}, True),
        ("hostssl all all all md5", {}, False),
        ("hostssl all all all md5", {"tls": True}, True),
        ("hostnossl all all all md5", {"tls": True}, False),
        ("hostgssenc all all all md5", {"tls": True}, False),
        ("hostnogssenc all all all md5", {}, True),
        ("hostnogssenc all all all md5", {"tls": True}, True),
        ("hostnogssenc all all all md5", {"address": ""}, False),
        ("host work,play lee,kim 10.0.0.0/8 md5", {}, True),
        ("host work, play kim 10.0.0.0/8 md5", {}, True),
        ("host work kim 10.0.0.0 255.255.255.0 md5", {}, True),
        ("host work kim 10.0.1.0 255.255.255.0 md5", {}, False),
        ("host work kim ::/0 md5", {}, False),
        ("host work kim fe80::/10 md5", {"address": "fe80::1"}, True),
        ("host sameuser all all md5", {}, False),
        ("host sameuser all all md5", {"user": "work"}, True),
        ("host replication all all md5", {}, False),
        ("host all all all md5", {"replication": True}, False),
        ("host replication all all md5", {"replication": True}, True),
        ("host all all samehost md5", {}, False),
        ("host all all samehost md5", {"address": "127.0.0.1"}, True),
        ("host /^w.*k$ all all md5", {}, True),
        ("host /^w.*k$ all all md5", {"major": 15}, False),
        ("host all +kim all md5", {}, True),
        ("host all kim all md5 # host all all all trust", {}, True),
        ('host all "kim ""x""" all md5', {"user": 'kim "x"'}, True),
    ],
)
def test_a_line_fits_or_not(tmp_path: Path, line: str, said: dict[str, object], fits: bool) -> None:
    file = tmp_path / "pg_hba.conf"
    file.write_text(f"{line}\n")
    match = first_match(file, Asked(**{**HERE, **said}))  # type: ignore[arg-type]
    assert (match.number == 1) is fits
    assert match.certain


@pytest.mark.parametrize(
    "line",
    ["host all +team all md5", "host samerole all all md5", "host all all db.example md5"],
)
def test_what_only_the_server_knows_makes_the_answer_uncertain(tmp_path: Path, line: str) -> None:
    file = tmp_path / "pg_hba.conf"
    file.write_text(f"{line}\nhost all all all reject\n")
    match = first_match(file, Asked(**HERE))  # type: ignore[arg-type]
    assert (match.number, match.method, match.certain) == (2, "reject", False)
    assert [one.text for one in match.earlier] == [line]


def test_files_are_included_and_lines_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (tmp_path / "names").write_text("lee, # a comment\nkim park\n")
    (folder / "1.conf").write_text("host a @names all md5\n")
    (folder / "2.conf").write_text("host b @../names all md5\n")
    main = tmp_path / "pg_hba.conf"
    main.write_text(
        "# comment\ninclude_if_exists nothing.conf\ninclude_dir more\n"
        "host \\\n  c,\\\n  d @names all md5\n"
    )
    (folder / "names").write_text("choi\n")
    lines = [
        (
            Path(line.file).name,
            line.number,
            [[word.text for word in field] for field in line.fields],
        )
        for line in read_lines(main)
    ]
    assert lines == [
        ("1.conf", 1, [["host"], ["a"], ["choi"], ["all"], ["md5"]]),
        ("2.conf", 1, [["host"], ["b"], ["lee", "kim", "park"], ["all"], ["md5"]]),
        ("pg_hba.conf", 4, [["host"], ["c", "d"], ["lee", "kim", "park"], ["all"], ["md5"]]),
    ]
