"""Networks that drop, reject, or lead nowhere: a namespace of the test's own is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.wire import Namespace
from tests.desk.doctor.faulty import Faulty

pytestmark = pytest.mark.xdist_group("connection")

# Addresses that documentation is given, so that nobody has them.
_DROPS, _UNREACHABLE, _PROHIBITED, _HOLE = (f"192.0.2.{number}" for number in (1, 2, 3, 4))

_ASK = """
import json, sys
from tests.desk.doctor.faulty import cause_of
from agentpg.desk.doctor.connection.patience import together
found = together([lambda dsn=dsn: cause_of(dsn) for dsn in sys.argv[1:]])
print(json.dumps([[one.code, one.message()] for one in found]))
"""


@pytest.fixture
def far() -> Iterator[Namespace]:
    """A network with one link to this machine, and routes that lead nowhere."""
    namespace = Namespace(True)
    if not namespace.made:
        pytest.skip("only root can make a network namespace, with iproute2")
    try:
        for kind, address in (
            ("via", _DROPS),
            ("unreachable", _UNREACHABLE),
            ("prohibit", _PROHIBITED),
            ("blackhole", _HOLE),
        ):
            route = [address, "via", namespace.here] if kind == "via" else [kind, address]
            subprocess.run(["ip", "-n", namespace.name, "route", "add", *route], check=True)
        yield namespace
    finally:
        namespace.remove()


def test_each_way_not_to_get_there_has_its_own_cause(
    far: Namespace, faulty: Faulty, free_port: int
) -> None:
    wanted = {
        faulty.dsn(host=far.here): "C00",
        faulty.dsn(host=far.here, port=free_port): "C04",
        # This machine forwards for nobody, and so drops it.
        faulty.dsn(host=_DROPS): "C07",
        faulty.dsn(host=_UNREACHABLE): "C08",
        faulty.dsn(host=_PROHIBITED): "C08",
        faulty.dsn(host=_HOLE): "C09",
        faulty.dsn(host="198.51.100.1"): "C09",
        faulty.dsn(host="2001:db8::1"): "C09",
    }
    done = subprocess.run(
        [*far.command(), sys.executable, "-c", _ASK, *wanted],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": "/nonexistent"},
    )
    found = json.loads(done.stdout)
    assert [code for code, _ in found] == list(wanted.values()), found


def test_a_server_that_listens_elsewhere(faulty: Faulty, far: Namespace) -> None:
    """Here the address is this machine's own, and only another one is listened at."""
    import socket

    from tests.desk.doctor.faulty import cause_of

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finding = cause_of(faulty.dsn(host=far.here, port=port))
    assert finding.code == "C06", finding
    assert finding.evidence["listening"] == "127.0.0.1"
