"""Rotating pairs of logins: real logins, real programs, killed at every step."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Self

import psycopg
import pytest

from agentpg.db import Database, Pool, Statements, SteadyConnection, connect
from agentpg.desk.security.passwords.looking import look_at_passwords
from agentpg.desk.security.passwords.making import make_password
from agentpg.desk.security.passwords.storing import store_password
from agentpg.desk.security.rotation.draining import Patience
from agentpg.desk.security.rotation.rotating import Rotator, Wanted
from agentpg.desk.security.rotation.turn import STEPS, Logins, Turn
from agentpg.embedded.folder import Folder
from agentpg.errors import (
    LoginInUse,
    LoginRefused,
    NoRotation,
    OldPasswordUnknown,
    RotationBusy,
    RotationHeldUp,
    RotationNotProved,
    RotationUnderWay,
)
from agentpg.settings import load_settings
from tests.servers import SharedServer
from tests.waiting import eventually

SHORT = Patience(lasts=timedelta(seconds=20), quiet=timedelta(milliseconds=300))


class Killed(BaseException):
    """What ends a rotation at once, as SIGKILL does: nothing catches it, nothing cleans up."""


class DyingLogins(Logins):
    """Dies when a step was done and before that is kept, or right after."""

    def __init__(self, home: Path, step: str, *, kept: bool) -> None:
        super().__init__(home)
        object.__setattr__(self, "dying", (step, kept))

    def write(self, turn: Turn) -> None:
        step, kept = self.dying  # type: ignore[attr-defined]
        if turn.step == step and not kept:
            raise Killed
        super().write(turn)
        if turn.step == step:
            raise Killed


@dataclass(frozen=True)
class Place:
    """A server with a group, and the folder of its logins."""

    database: Database
    home: Path
    group: str

    @property
    def logins(self) -> Logins:
        return Logins(self.home)

    @property
    def service(self) -> Database:
        """By what its programs connect."""
        return Database(f"service={self.group}")

    def rotator(self, patience: Patience = SHORT, logins: Logins | None = None) -> Rotator:
        return Rotator(self.database, logins or self.logins, patience)

    def rotate(self) -> Turn:
        return self.rotator().rotate(Wanted(name=self.group))

    def who(self) -> str:
        """As whom a program comes in now."""
        with connect(self.service) as connection:
            return connection.info.user

    def run(self, statement: str) -> list[tuple[object, ...]]:
        with connect(self.database) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def open_logins(self) -> list[str]:
        """Those that may log in."""
        text = f"SELECT rolname FROM pg_roles WHERE rolname ~ '^{self.group}_' AND rolcanlogin"
        return [str(name) for (name,) in self.run(text)]


@pytest.fixture
def place(
    shared_server: SharedServer,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    group = f"{database.name()}_agent"
    place = Place(Database(shared_server.superuser_dsn(database.name())), tmp_path / "home", group)
    monkeypatch.setenv("PGSERVICEFILE", str(place.logins.service_file))
    place.run(f"CREATE ROLE {group} NOLOGIN")
    yield place
    for name in (f"{group}_1", f"{group}_2", group):
        place.run(f"DROP ROLE IF EXISTS {name}")


class Programs:
    """Programs that connect anew all the time; what failed."""

    def __init__(self, database: Database, number: int = 2) -> None:
        self.connected = 0
        self.failed: list[str] = []
        self._dsn = database.conninfo("a program")
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(number)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def has_connected(self, more_than: int) -> bool:
        """Whether some have, since there were so many."""
        return self.connected > more_than

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                psycopg.connect(self._dsn).close()
                self.connected += 1
            except psycopg.Error as error:
                self.failed.append(str(error))


def test_no_connection_fails_while_logins_change(place: Place) -> None:
    first, second = f"{place.group}_1", f"{place.group}_2"
    turn = place.rotate()
    assert (turn.old, turn.new, place.who()) == ("", first, first)
    with Programs(place.service) as programs:
        for old, new in ((first, second), (second, first)):
            before = programs.connected
            turn = place.rotate()
            assert (turn.old, turn.new) == (old, new)
            assert place.open_logins() == [new]
            eventually(partial(programs.has_connected, before))
    assert programs.failed == []
    assert place.logins.turns() == ()
    text = place.logins.password_file.read_text(encoding="utf-8")
    assert first in text
    assert second not in text
    for path in place.logins.folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.one_server
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])
@pytest.mark.parametrize("step", STEPS)
def test_a_killed_rotation_goes_on_or_back(place: Place, step: str, kept: bool) -> None:
    first, second = f"{place.group}_1", f"{place.group}_2"
    place.rotate()
    dying = DyingLogins(place.home, step, kept=kept)
    with pytest.raises(Killed):
        place.rotator(logins=dying).rotate(Wanted(name=place.group))
    assert place.who() in (first, second), "programs go on, whatever the step"
    if (step, kept) == ("begun", False):
        assert place.logins.turns() == ()
        return
    with pytest.raises(RotationUnderWay):
        place.rotate()
    if (step, kept) in (("locked", False), ("locked", True)):
        # Behind the last step there is only going on.
        place.rotator().resume(place.group, "")
        assert (place.who(), place.open_logins()) == (second, [second])
        return
    place.rotator().roll_back(place.group, "")
    assert (place.who(), place.open_logins()) == (first, [first])
    with pytest.raises(Killed):
        place.rotator(logins=dying).rotate(Wanted(name=place.group))
    place.rotator().resume(place.group, "")
    assert (place.who(), place.open_logins()) == (second, [second])
    with pytest.raises(NoRotation):
        place.rotator().resume(place.group, "")


def test_a_rollback_that_is_killed_goes_on_backwards(place: Place) -> None:
    place.rotate()
    dying = DyingLogins(place.home, "drained", kept=True)
    with pytest.raises(Killed):
        place.rotator(logins=dying).rotate(Wanted(name=place.group))
    dying = DyingLogins(place.home, "moved", kept=True)
    with pytest.raises(Killed):
        place.rotator(logins=dying).roll_back(place.group, "")
    turn = place.rotator().resume(place.group, "")
    assert turn.back
    assert place.open_logins() == [f"{place.group}_1"]
    assert place.who() == f"{place.group}_1"


def test_who_holds_on_is_told_and_both_work(place: Place) -> None:
    place.rotate()
    with psycopg.connect(place.service.conninfo("the old program")) as held:
        held.execute("SELECT 1")
        patience = Patience(lasts=timedelta(seconds=0.2), quiet=timedelta(seconds=0.1))
        with pytest.raises(RotationHeldUp, match=r"the old program \(127.0.0.1, pid \d+\)"):
            place.rotator(patience).rotate(Wanted(name=place.group))
        assert len(place.open_logins()) == 2
        with pytest.raises(RotationHeldUp):
            place.rotator(patience).resume(place.group, "")
        held.rollback()
        ending = Patience(quiet=timedelta(seconds=0.1), end_idle=True)
        place.rotator(ending).resume(place.group, "")
    assert place.open_logins() == [f"{place.group}_2"]


def test_only_one_rotates_a_pair(place: Place) -> None:
    with place.logins.held(place.group), pytest.raises(RotationBusy):
        place.rotate()
    assert place.open_logins() == []


def test_a_login_that_can_do_less_is_not_moved_to(place: Place) -> None:
    place.rotate()
    place.run(f"ALTER ROLE {place.group}_1 SET work_mem = '5MB'")
    with pytest.raises(RotationNotProved, match="work_mem=5MB"):
        place.rotate()
    assert place.who() == f"{place.group}_1"
    place.run(f"ALTER ROLE {place.group}_2 SET work_mem = '5MB'")
    place.rotator().resume(place.group, "")
    assert place.who() == f"{place.group}_2"


def test_a_login_in_use_gets_no_other_password(place: Place) -> None:
    place.rotate()
    place.run(f"CREATE ROLE {place.group}_2 LOGIN PASSWORD 'two' IN ROLE {place.group}")
    dsn = psycopg.conninfo.make_conninfo(
        place.database.dsn, user=f"{place.group}_2", password="two", passfile="/dev/null"
    )
    with psycopg.connect(dsn), pytest.raises(LoginInUse):
        place.rotate()


def test_a_pair_that_was_there_is_taken_over(place: Place, tmp_path: Path) -> None:
    first, second = f"{place.group}_1", f"{place.group}_2"
    for login in (first, second):
        place.run(f"CREATE ROLE {login} LOGIN PASSWORD '{login}' IN ROLE {place.group}")
    with pytest.raises(OldPasswordUnknown, match=first):
        place.rotate()
    passwords = tmp_path / "pgpass"
    passwords.write_text(
        Path(str(psycopg.conninfo.conninfo_to_dict(place.database.dsn)["passfile"])).read_text()
        + f"127.0.0.1:*:*:{first}:{first}\n"
    )
    passwords.chmod(0o600)
    dsn = psycopg.conninfo.make_conninfo(place.database.dsn, passfile=str(passwords))
    turn = Rotator(Database(dsn), place.logins, SHORT).rotate(Wanted(name=place.group))
    assert (turn.old, turn.new, place.open_logins()) == (first, second, [second])
    assert place.who() == second


def test_the_owners_logins_act_as_the_owner(place: Place) -> None:
    owner = f"{place.database.name()}_owner"
    place.run(f"CREATE ROLE {owner} NOLOGIN")
    place.run(f"ALTER DATABASE {place.database.name()} OWNER TO {owner}")
    Rotator(place.database, place.logins, SHORT).rotate(Wanted(name=owner))
    service = Database(f"service={owner}")
    with connect(service) as connection:
        assert connection.execute("SELECT session_user, current_user").fetchone() == (
            f"{owner}_1",
            owner,
        )
    place.run(f"ALTER DATABASE {place.database.name()} OWNER TO admin")
    place.run(f"DROP ROLE {owner}_1, {owner}")


def test_env_names_the_service_from_then_on(place: Place, tmp_path: Path) -> None:
    place.rotate()
    env = tmp_path / "app.env"
    login = psycopg.conninfo.make_conninfo(place.database.dsn, user=f"{place.group}_1")
    env.write_text(f"# ours\nAGENTPG_DSN='{login}'\nOTHER=1\n", encoding="utf-8")
    env.chmod(0o640)
    place.rotator().rotate(Wanted(name=place.group, env_file=env))
    lines = env.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# ours"
    assert lines[1].startswith(f"AGENTPG_DSN='service={place.group}'")
    assert lines[2] == "OTHER=1"
    assert lines[3] == f"PGSERVICEFILE='{place.logins.service_file}'"
    assert env.stat().st_mode & 0o777 == 0o640


def test_long_lived_connections_follow_the_service(place: Place) -> None:
    place.rotate()
    sql = Statements("session", "")["backend"]
    pool = Pool(place.service, "agentpg test", 1)

    async def follow() -> None:
        steady = SteadyConnection(place.service, "agentpg test")
        await steady.execute(sql)
        rotating = asyncio.create_task(asyncio.to_thread(place.rotate))
        while not rotating.done():
            await steady.execute(sql)
            with pool.connection() as connection:
                connection.execute(sql)
            await asyncio.sleep(0.02)
        await rotating
        await steady.close()

    with pool.connection() as connection:
        assert connection.info.user == f"{place.group}_1"
    asyncio.run(follow())
    with pool.connection() as connection:
        assert connection.info.user == f"{place.group}_2"
    pool.close()
    assert place.open_logins() == [f"{place.group}_2"]


def test_no_password_reaches_the_log(place: Place, shared_server: SharedServer) -> None:
    name = f"{place.group}_1"
    place.run(f"CREATE ROLE {name} LOGIN")
    password = make_password().password
    loud = place.database.with_settings(log_statement="all", log_min_duration_statement="0")
    with connect(loud, "loud") as connection:
        stored = store_password(connection, name, password)
        assert (stored.hidden, stored.recorded) == (True, True)
        connection.execute("SELECT 'the end of it'")
    text = _log_until(shared_server, "the end of it")
    assert f'COMMENT ON ROLE "{name}"' in text, "that it was changed is seen"
    assert password not in text
    assert f'ALTER ROLE "{name}" PASSWORD' not in text
    [(counted,)] = place.run("SELECT count(*) FROM pg_extension WHERE extname='pg_stat_statements'")
    if counted:
        seen = place.run("SELECT query FROM pg_stat_statements WHERE query ~ 'PASSWORD'")
        assert [query for (query,) in seen if name in str(query)] == []
    _logs_in(place, name, password)


def test_who_may_not_hide_it_logs_a_verifier_at_most(
    place: Place, shared_server: SharedServer
) -> None:
    maker, name = f"{place.group}_2", f"{place.group}_1"
    place.run(f"CREATE ROLE {maker} CREATEROLE LOGIN PASSWORD 'maker'")
    place.run(f"ALTER ROLE {maker} SET log_statement = 'all'")
    dsn = psycopg.conninfo.make_conninfo(
        place.database.dsn, user=maker, password="maker", passfile="/dev/null"
    )
    password = make_password().password
    with connect(Database(dsn), "loud") as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN".encode())
        stored = store_password(connection, name, password)
        connection.execute("SELECT 'the end of that'")
    assert (stored.hidden, stored.recorded) == (False, True)
    text = _log_until(shared_server, "the end of that")
    assert "PASSWORD 'SCRAM-SHA-256$" in text
    assert password not in text
    _logs_in(place, name, password)
    place.run(f"DROP ROLE {name}")


def test_ages_are_looked_up(place: Place) -> None:
    place.rotate()
    place.run(f"CREATE ROLE {place.group}_2 LOGIN PASSWORD 'x' VALID UNTIL '2999-01-01'")
    facts = look_at_passwords(place.database, load_settings(home=place.home))
    known = {one.role: one for one in facts.logins}
    record = known[f"{place.group}_1"].record
    assert record is not None
    assert facts.now - record.changed_at < timedelta(minutes=5)
    assert isinstance(facts.marks, dict)
    assert facts.marks[f"{place.group}_1"] == record.mark
    assert known[f"{place.group}_2"].record is None
    assert place.group in facts.pairs


def _log_until(server: SharedServer, text: str) -> str:
    def said() -> str:
        found = _newest(server).read_text(encoding="utf-8", errors="replace")
        return found if text in found else ""

    return eventually(said)


def _newest(server: SharedServer) -> Path:
    return Folder(server.server.status().data.parent.parent).log()


def _logs_in(place: Place, name: str, password: str) -> None:
    def dsn(said: str) -> Database:
        return Database(
            psycopg.conninfo.make_conninfo(
                place.database.dsn, user=name, password=said, passfile="/dev/null"
            )
        )

    connect(dsn(password)).close()
    with pytest.raises(LoginRefused):
        connect(dsn(password + "x"))
