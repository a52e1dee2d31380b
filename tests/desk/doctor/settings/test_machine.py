"""The server's machine, read from folders that look as the kernel's do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.settings.facts import Machine
from agentpg.desk.doctor.settings.machine import Roots, read_machine

pytestmark = pytest.mark.without_server

_GIB = 1024**3


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    own = str(os.getpid())
    _write(
        tmp_path / "proc",
        {
            f"{own}/comm": "postgres\n",
            f"{own}/cmdline": "postgres: admin agentic_ai [local] idle\0",
            f"{own}/cgroup": "0::/servers/pg\n",
            "meminfo": f"MemTotal:       {16 * _GIB // 1024} kB\nMemFree: 1 kB\n",
            "sys/vm/overcommit_memory": "0\n",
        },
    )
    _write(
        tmp_path / "sys",
        {"kernel/mm/transparent_hugepage/enabled": "[always] madvise never\n"},
    )
    return Roots(proc=tmp_path / "proc", sys=tmp_path / "sys")


def _disk(roots: Roots, name: str, rotational: str) -> None:
    """The disk of the test's own folder, of which it is a partition."""
    device = Path(roots.proc).stat().st_dev
    place = roots.sys / "devices" / name
    _write(place, {"queue/rotational": rotational, f"{name}1/partition": "1"})
    link = roots.sys / f"dev/block/{os.major(device)}:{os.minor(device)}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(place / f"{name}1")


def _read(roots: Roots) -> Machine:
    found = read_machine(os.getpid(), roots.proc, roots)
    assert isinstance(found, Machine)
    return found


def test_what_the_machine_has(roots: Roots) -> None:
    found = _read(roots)
    assert (found.ram_bytes, found.is_limited) == (16 * _GIB, False)
    assert found.cpus == len(os.sched_getaffinity(0))
    assert (found.huge_pages, found.overcommit, found.disk) == ("always", 0, None)


def test_the_file_system_is_the_one_of_the_wal(roots: Roots, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    own = roots.proc / str(os.getpid()) / "cwd"
    own.unlink(missing_ok=True)
    own.symlink_to(data)
    assert _read(roots).volume_bytes is None
    (data / "pg_wal").symlink_to("/proc")
    # Another file system than the one of the data: it has no blocks at all.
    assert _read(roots).volume_bytes == 0


def test_the_kind_of_the_file_system_is_that_of_the_nearest_mount(
    roots: Roots, tmp_path: Path
) -> None:
    data = tmp_path / "a disk" / "data"
    data.mkdir(parents=True)
    (roots.proc / str(os.getpid()) / "cwd").symlink_to(data)
    mount = str(tmp_path / "a disk").replace(" ", "\\040")
    lines = (
        "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
        f"30 20 0:40 / {mount} rw - ext4 /dev/sdb1 rw",
        f"31 20 0:41 / {mount} rw shared:2 master:1 - zfs tank/pg rw",
    )
    _write(roots.proc, {"self/mountinfo": "\n".join(lines)})
    assert _read(roots).file_system == "zfs"


def test_a_control_group_may_have_less_and_so_may_those_above_it(roots: Roots) -> None:
    groups = roots.sys / "fs/cgroup"
    _write(
        groups,
        {
            "servers/pg/memory.max": "max\n",
            "servers/memory.max": f"{4 * _GIB}\n",
            "servers/pg/cpu.max": "50000 100000\n",
        },
    )
    found = _read(roots)
    assert (found.ram_bytes, found.is_limited, found.cpus) == (4 * _GIB, True, 1)


def test_control_groups_of_the_old_kind(roots: Roots) -> None:
    own = roots.proc / str(os.getpid())
    lines = "4:memory:/pg\n3:cpu,cpuacct:/pg\n1:name=systemd:/pg\n"
    (own / "cgroup").write_text(lines, encoding="utf-8")
    _write(
        roots.sys / "fs/cgroup",
        {
            "memory/pg/memory.limit_in_bytes": f"{2 * _GIB}\n",
            "cpu,cpuacct/pg/cpu.cfs_quota_us": "100000\n",
            "cpu,cpuacct/pg/cpu.cfs_period_us": "100000\n",
        },
    )
    found = _read(roots)
    assert (found.ram_bytes, found.cpus) == (2 * _GIB, 1)


@pytest.mark.parametrize(
    ("name", "rotational", "kind"),
    [("sda", "1", "hdd"), ("nvme0n", "0", "ssd"), ("vda", "1", None), ("vdb", "0", "ssd")],
)
def test_the_kind_of_the_disk(roots: Roots, name: str, rotational: str, kind: str | None) -> None:
    _disk(roots, name, rotational)
    assert _read(roots).disk == kind


def test_a_process_that_is_no_server_tells_nothing(roots: Roots) -> None:
    (roots.proc / str(os.getpid()) / "comm").write_text("bash\n", encoding="utf-8")
    assert isinstance(read_machine(os.getpid(), None, roots), Unlooked)
