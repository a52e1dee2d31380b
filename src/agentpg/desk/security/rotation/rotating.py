"""Rotating a pair of logins, step by step; each may be done again, and is kept when it is done.

No connection fails, since at every moment both logins work that a program may come in by: the new
one is proved before the service leads to it, and the old one is locked only after nobody has been
seen with it for longer than connecting takes. What programs read is one file, replaced at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    Statements,
    class_row,
    connect,
    driver_errors,
    literal,
    render,
)
from agentpg.desk.security.passwords.making import make_password
from agentpg.desk.security.passwords.storing import store_password
from agentpg.desk.security.rotation.draining import Holder, Patience, drain, holders, named
from agentpg.desk.security.rotation.places import Places, led_to, naming
from agentpg.desk.security.rotation.planning import (
    Plan,
    Role,
    lacking,
    logins_of,
    names_of,
    plan_of,
)
from agentpg.desk.security.rotation.turn import STEPS, Logins, Step, Turn
from agentpg.errors import (
    AgentpgError,
    LoginInUse,
    NoRotation,
    OldPasswordUnknown,
    RotationNotProved,
    RotationUnderWay,
)
from agentpg.language import N_

_SQL = Statements("passwords", "")

# Steps that a first rotation has nothing to do in.
_OF_OLD = ("drained", "locked")

_VERIFIER = Fragment("'SCRAM-SHA-256$…'")

_NOT_MEMBER = N_("it is not in its group")
_OTHER_LOGIN = N_("another role came in")
_OTHER_ROLE = N_("it does not act as the owner")
_LACKS = N_("it lacks what the old login has")


@dataclass(frozen=True, slots=True)
class Proof:
    """As whom a session came in and acts, and what it may do."""

    login: str
    acts_as: str
    is_member: bool
    may_connect: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What is heard meanwhile: each step that is done, and who still holds on to the old login."""

    done: Callable[[Step], None] = lambda _: None
    holds: Callable[[Sequence[Holder]], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to rotate, and the files; by default those in the folder of the logins."""

    name: str
    service_file: Path | None = None
    password_file: Path | None = None
    env_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """What will be done: to a file, by SQL, or by waiting (`kind` file, sql or wait)."""

    kind: str
    text: str


class Rotator:
    """Rotates pairs of one server; `database` connects as who may change roles."""

    def __init__(
        self,
        database: Database,
        logins: Logins,
        patience: Patience | None = None,
        telling: Telling | None = None,
    ) -> None:
        self._database = database
        self._logins = logins
        self._patience = patience or Patience()
        self._telling = telling or Telling()

    def plan(self, wanted: Wanted) -> tuple[Plan, Turn, tuple[Action, ...]]:
        """What a rotation would do. Raises PairUnknown, RotationUnderWay, LoginInUse and
        OldPasswordUnknown."""
        with self._connected() as connection:
            plan, turn = self._decide(connection, wanted)
            places = Places(turn, self._database)
            if here := holders(connection, plan.new):
                raise LoginInUse(login=plan.new, number=len(here), holders=named(here))
            if plan.old and places.password_of(plan.old) is None:
                raise OldPasswordUnknown(login=plan.old, path=turn.password_file)
            return plan, turn, tuple(self._actions(connection, plan, turn))

    def rotate(self, wanted: Wanted) -> Turn:
        """Rotate. Raises what `plan` raises, RotationBusy, RotationNotProved, RotationHeldUp,
        FileNotWritten, PermissionDenied; then it waits to be resumed or rolled back."""
        plan, turn, _ = self.plan(wanted)
        with self._logins.held(plan.group):
            if self._logins.read(plan.group) is not None:
                raise self._under_way(plan.group)
            self._logins.write(turn)
            return self._forward(turn)

    def resume(self, name: str, prefix: str) -> Turn:
        """Go on with one that was not ended, in the direction that it had. Raises NoRotation."""
        turn = self._waiting(name, prefix)
        with self._logins.held(turn.group):
            return self._backward(turn) if turn.back else self._forward(turn)

    def roll_back(self, name: str, prefix: str) -> Turn:
        """Take back one that was not ended. Raises NoRotation."""
        turn = self._waiting(name, prefix)
        with self._logins.held(turn.group):
            turn = replace(turn, back=True)
            self._logins.write(turn)
            return self._backward(turn)

    # Deciding

    def _decide(self, connection: Connection[Any], wanted: Wanted) -> tuple[Plan, Turn]:
        prefix = self._database.name()
        service_file = wanted.service_file or self._logins.service_file
        groups = names_of(wanted.name, prefix)
        names = [name for group in groups for name in (group, *logins_of(group))]
        leads = {group: led_to(service_file, group) for group in groups}
        plan = plan_of(wanted.name, prefix, _roles(connection, names), _owner(connection), leads)
        if self._logins.read(plan.group) is not None:
            raise self._under_way(plan.group)
        env_file = wanted.env_file
        turn = Turn(
            group=plan.group,
            old=plan.old,
            new=plan.new,
            service=plan.group,
            service_file=str(service_file.absolute()),
            password_file=str((wanted.password_file or self._logins.password_file).absolute()),
            env_file=str(env_file.absolute()) if env_file else "",
            begun_at=datetime.now(UTC).isoformat(timespec="seconds"),
            fresh=not leads[plan.group],
        )
        return plan, turn

    def _actions(self, connection: Connection[Any], plan: Plan, turn: Turn) -> Iterator[Action]:
        yield Action("file", f"{turn.password_file}: + {plan.new}:…")
        for statement in _making(connection, plan):
            yield Action("sql", statement)
        yield Action("sql", _text(connection, "unlock", login=plan.new, verifier=_VERIFIER))
        yield Action("file", f"{turn.service_file}: [{turn.service}] user={plan.new}")
        if turn.env_file and (names := naming(Path(turn.env_file), plan.group)):
            yield Action("file", f"{turn.env_file}: {', '.join(names)}")
        if plan.old:
            yield Action("wait", plan.old)
            yield Action("sql", _text(connection, "lock", login=plan.old))
            yield Action("file", f"{turn.password_file}: - {plan.old}:…")

    def _waiting(self, name: str, prefix: str) -> Turn:
        found = (self._logins.read(group) for group in names_of(name, prefix))
        turn = next((one for one in found if one is not None), None)
        if turn is None:
            raise NoRotation(group=name)
        return turn

    def _under_way(self, group: str) -> RotationUnderWay:
        turn = self._logins.read(group)
        assert turn is not None  # noqa: S101 - who calls has seen it
        return RotationUnderWay(group=group, begun=turn.begun_at, step=turn.step)

    # Going forward

    def _forward(self, turn: Turn) -> Turn:
        does: Mapping[Step, Callable[[Connection[Any], Turn], None]] = {
            "written": self._write,
            "prepared": self._prepare,
            "proved": self._prove,
            "moved": self._move,
            "drained": self._drain,
            "locked": self._lock,
        }
        with self._connected() as connection:
            for step in STEPS[1:]:
                if not turn.has(step):
                    does[step](connection, turn)
                    turn = turn.at(step)
                    self._logins.write(turn)
                    if turn.old or step not in _OF_OLD:
                        self._telling.done(step)
            self._logins.forget(turn)
        return turn

    def _write(self, connection: Connection[Any], turn: Turn) -> None:
        """Both passwords, before the new one is used: the old one is the way back."""
        del connection
        places = Places(turn, self._database)
        if turn.old and (password := places.password_of(turn.old)):
            places.keep_password(turn.old, password)
        places.keep_password(turn.new, make_password().password)

    def _prepare(self, connection: Connection[Any], turn: Turn) -> None:
        owner = _owner(connection)
        missing = turn.new not in _roles(connection, [turn.new])
        plan = Plan(turn.group, turn.old, turn.new, missing, turn.group == owner)
        with connection.transaction():
            for statement in _making(connection, plan):
                connection.execute(statement.encode())
        password = Places(turn, self._database).password_of(turn.new) or ""
        store_password(connection, turn.new, password, statement="unlock")

    def _prove(self, connection: Connection[Any], turn: Turn) -> None:
        places = Places(turn, self._database)
        roles = _roles(connection, [turn.old, turn.new])
        lacks = lacking(roles.get(turn.old), roles[turn.new])
        if lacks:
            raise _not_proved(turn, _LACKS, ": " + ", ".join(lacks))
        self._come_in(connection, places.login_dsn(turn.new), turn)

    def _come_in(self, connection: Connection[Any], dsn: str, turn: Turn) -> None:
        try:
            with connect(Database(dsn, self._database.schema), "agentpg security") as session:
                proof = _proof(session, turn.group)
        except AgentpgError as error:
            raise _not_proved(turn, str(error)) from None
        if proof.login != turn.new:
            raise _not_proved(turn, _OTHER_LOGIN, f": {proof.login}")
        if not proof.is_member:
            raise _not_proved(turn, _NOT_MEMBER)
        if turn.group == _owner(connection) and proof.acts_as != turn.group:
            raise _not_proved(turn, _OTHER_ROLE, f": {proof.acts_as}")

    def _move(self, connection: Connection[Any], turn: Turn) -> None:
        places = Places(turn, self._database)
        places.lead_to(turn.new)
        places.rewrite_env()
        self._come_in(connection, places.service_dsn(), turn)

    def _drain(self, connection: Connection[Any], turn: Turn) -> None:
        if turn.old:
            drain(connection, turn.old, turn.service, self._patience, self._telling.holds)

    def _lock(self, connection: Connection[Any], turn: Turn) -> None:
        if turn.old:
            self._shut(connection, turn.old, Places(turn, self._database))

    def _shut(self, connection: Connection[Any], login: str, places: Places) -> None:
        """On the server first: a password that nobody has kept would still open it."""
        if login in _roles(connection, [login]):
            connection.execute(_text(connection, "lock", login=login).encode())
        places.forget_password(login)

    # Going back

    def _backward(self, turn: Turn) -> Turn:
        """Open the old login where it was locked, lead back to it, and lock the new one."""
        places = Places(turn, self._database)
        with self._connected() as connection:
            if turn.old:
                self._open_again(connection, turn, places)
            if turn.has("moved") or places.leads_to == turn.new:
                # Before it leads back: who reads the service now may still come in as the new one.
                self._logins.write(turn.at("moved"))
                self._lead_back(turn, places)
                self._telling.done("moved")
                drain(connection, turn.new, turn.service, self._patience, self._telling.holds)
                self._telling.done("drained")
            self._shut(connection, turn.new, places)
            self._telling.done("locked")
            self._logins.forget(turn)
        return turn

    def _lead_back(self, turn: Turn, places: Places) -> None:
        if turn.old:
            places.lead_to(turn.old)
        elif turn.fresh:
            places.remove_service()

    def _open_again(self, connection: Connection[Any], turn: Turn, places: Places) -> None:
        roles = _roles(connection, [turn.old])
        if turn.old in roles and roles[turn.old].logs_in:
            return
        password = places.password_of(turn.old)
        if password is None:
            raise OldPasswordUnknown(login=turn.old, path=turn.password_file)
        store_password(connection, turn.old, password, statement="unlock")

    @contextmanager
    def _connected(self) -> Iterator[Connection[Any]]:
        with (
            connect(self._database, "agentpg security") as connection,
            driver_errors(self._database.target(), connection),
        ):
            yield connection


def _roles(connection: Connection[Any], names: Sequence[str]) -> dict[str, Role]:
    cursor = connection.cursor(row_factory=class_row(Role))
    return {one.name: one for one in cursor.execute(_SQL["pair"], {"names": list(names)})}


def _owner(connection: Connection[Any]) -> str:
    row = connection.execute(_SQL["owner"]).fetchone()
    return str(row[0]) if row else ""


def _proof(connection: Connection[Any], group: str) -> Proof:
    cursor = connection.cursor(row_factory=class_row(Proof))
    return cursor.execute(_SQL["prove"], {"group": group}).fetchall()[0]


def _making(connection: Connection[Any], plan: Plan) -> Iterator[str]:
    """The statements that make a login that is missing."""
    if plan.missing:
        yield _text(connection, "create_login", login=plan.new, group=plan.group)
        if plan.is_owner:
            value = Fragment(literal(plan.group))
            yield _text(connection, "act_as_owner", login=plan.new, owner=value)


def _text(connection: Connection[Any], statement: str, **names: str) -> str:
    """A utility statement, which takes no parameters, without the line of its purpose."""
    text = render(connection, _SQL.compose(statement, **names))
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def _not_proved(turn: Turn, reason: str, more: str = "") -> RotationNotProved:
    return RotationNotProved(reason, login=turn.new, more=more)
