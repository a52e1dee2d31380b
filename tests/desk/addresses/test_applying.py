"""Another pg_hba.conf: refused, taken back at once, taken back by itself, or kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.db import connect
from agentpg.desk.hba.covering import unreachable
from agentpg.desk.security.addresses.applying import apply, confirm, last_changed, undo
from agentpg.desk.security.addresses.effects import effects
from agentpg.desk.security.addresses.pending import kept_for
from agentpg.desk.security.addresses.proposing import Wanted, propose
from agentpg.desk.security.tls.installing import install
from agentpg.desk.security.tls.store import Store
from agentpg.errors import (
    ChangePending,
    HbaNotHere,
    HbaWrong,
    LockedOut,
    NothingPending,
    TlsNotBuilt,
)
from agentpg.settings import load_settings
from tests.desk.addresses.conftest import Guarded, runs
from tests.waiting import eventually

pytestmark = pytest.mark.xdist_group("addresses")

_WAY_IN = "host all all 127.0.0.1/32 scram-sha-256\n"
_LONG, _SHORT = timedelta(minutes=5), timedelta(seconds=1)


def test_lines_that_the_server_does_not_understand_never_hold(guarded: Guarded) -> None:
    loaded_at = guarded.loaded_at()
    with pytest.raises(HbaWrong, match="line 2"):
        apply(guarded.facts(), guarded.database, guarded.settings, f"{_WAY_IN}host all all\n")
    assert guarded.hba.read_text(encoding="utf-8") == guarded.former
    assert last_changed(guarded.settings) is None
    # Put back, it is read once more; what was wrong never was.
    assert guarded.loaded_at() >= loaded_at


def test_who_would_be_locked_out_is_in_again_at_once(guarded: Guarded) -> None:
    owner = guarded.hba.stat()
    text = "host all postgres 127.0.0.1/32 scram-sha-256\nhost all admin all reject\n"
    with pytest.raises(LockedOut, match="admin"):
        apply(guarded.facts(), guarded.database, guarded.settings, text)
    there = guarded.hba.stat()
    assert (there.st_uid, there.st_gid, there.st_mode) == (
        owner.st_uid,
        owner.st_gid,
        owner.st_mode,
    )
    eventually(lambda: _gets_in(guarded), 10, "in again")


def test_what_is_confirmed_stays_and_can_be_undone(guarded: Guarded) -> None:
    text = f"{_WAY_IN}# mine\n"
    done = apply(guarded.facts(), guarded.database, guarded.settings, text, _LONG)
    assert guarded.hba.read_text(encoding="utf-8") == text
    with pytest.raises(ChangePending):
        apply(guarded.facts(), guarded.database, guarded.settings, text)
    confirm(guarded.hba, guarded.database, guarded.settings)
    eventually(lambda: not runs(done.watcher), 10, "nobody waits")
    assert guarded.hba.read_text(encoding="utf-8") == text
    undo(guarded.hba, guarded.settings)
    assert guarded.hba.read_text(encoding="utf-8") == guarded.former
    with pytest.raises(NothingPending):
        confirm(guarded.hba, guarded.database, guarded.settings)


def test_it_is_undone_by_itself_when_the_command_and_its_session_are_gone(
    guarded: Guarded, tmp_path: Path
) -> None:
    new = tmp_path / "new.conf"
    new.write_text(f"{_WAY_IN}# forgotten\n", encoding="utf-8")
    command = [sys.executable, "-m", "agentpg", "--home", str(guarded.home), "security", "hba"]
    command += ["apply", "--file", str(new), "--confirm-within", "5s"]
    running = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    eventually(lambda: "forgotten" in guarded.hba.read_text(encoding="utf-8"), 20)
    # As a terminal that is closed, or worse.
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    # Nobody at all gets in; the one that takes it back needs no connection.
    guarded.hba.write_text("local all all reject\n", encoding="utf-8")
    os.kill(guarded.server.status().pid or 0, signal.SIGHUP)
    eventually(lambda: guarded.hba.read_text(encoding="utf-8") == guarded.former, 20)
    eventually(lambda: _gets_in(guarded), 10, "in again")


def test_a_file_of_a_server_that_is_not_here_is_not_touched(
    guarded: Guarded, tmp_path: Path
) -> None:
    settings = load_settings(home=tmp_path / "other")
    facts = guarded.facts()
    with pytest.raises(NothingPending):
        undo(guarded.hba, settings)
    from dataclasses import replace

    from agentpg.desk.security.addresses.looking import NOT_HERE

    with pytest.raises(HbaNotHere):
        apply(replace(facts, folder=NOT_HERE), guarded.database, settings, _WAY_IN)


def test_a_proposal_is_stronger_and_lets_the_same_people_in(guarded: Guarded) -> None:
    guarded.write(
        "# people\nlocal all all trust\nhost all all 0.0.0.0/0 md5\nhost all kim all reject\n"
        "host all all ::1/128 trust\n"
    )
    facts = guarded.facts()
    made = propose(facts, Wanted(networks=("10.1.2.0/24", "10.1.3.0/24")))
    assert made.text.startswith("# people\nlocal")
    after = [one for one in effects(facts, made.lines) if one.lets_in]
    assert {one.match.method for one in after} == {"scram-sha-256"}
    outside = [one for one in after if one.origin.is_outside]
    assert {one.origin.label for one in outside} == {"10.1.2.0/24", "10.1.3.0/24"}
    assert {role.name for one in outside for role in one.roles} == {"admin"}
    inside = {(one.roles[0].name, one.origin.label) for one in after if not one.origin.is_outside}
    before = {
        (one.roles[0].name, one.origin.label)
        for one in effects(facts)
        if one.lets_in and not one.origin.is_outside
    }
    # 127.0.0.1 is let in by 0.0.0.0/0 alone, which goes.
    assert before - inside <= {("admin", "127.0.0.1")}
    assert unreachable(made.lines, facts.known) == {}
    done = apply(facts, guarded.superuser(), guarded.settings, made.text, _LONG)
    assert done.ways
    kept_for(guarded.home, guarded.hba).take_back()


def test_a_server_that_was_built_without_tls_is_said_so(guarded: Guarded) -> None:
    with connect(guarded.superuser()) as connection:
        row = connection.execute(b"SHOW ssl_library").fetchone()
    if row != ("",):
        pytest.skip("this server was built with TLS")
    store = Store(guarded.home)
    store.create_authority("the tests")
    store.create_server(["localhost"])
    with pytest.raises(TlsNotBuilt):
        install(guarded.database, guarded.settings)
    assert not (guarded.hba.parent / "agentpg-server.key").exists()


def _gets_in(guarded: Guarded) -> bool:
    try:
        connect(guarded.database).close()
    except Exception:
        return False
    return True
