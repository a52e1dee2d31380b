"""One statement that changes roles or rights, what takes it back, and who may run it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from agentpg.db import Fragment, Statements, identifier
from agentpg.desk.security.roles.facts import Default, Grant, Membership, Present
from agentpg.language import N_

Change = Literal["role", "attributes", "membership", "grant", "revoke", "default"]
What = Literal["schema", "database", "roles", "role", "replication", "superuser"]

# What stands for a verifier of a password where the statement is shown.
VERIFIER = "'SCRAM-SHA-256$…'"

_KINDS = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS"}

# Who grants on what; the rest belongs to the owner of the schema.
_OWNERS: dict[str, What] = {"database": "database", "server function": "superuser"}

_WHY: dict[What, str] = {
    "schema": N_("it takes the owner of the schema, or a superuser"),
    "database": N_("it takes the owner of the database, or a superuser"),
    "roles": N_("it takes CREATEROLE, or a superuser"),
    "role": N_("it takes ADMIN on the role, or a superuser"),
    "replication": N_("it takes a superuser; from 16 on CREATEROLE with the same attributes"),
    "superuser": N_("it takes a superuser"),
}


@dataclass(frozen=True, slots=True)
class Need:
    """What a role must be allowed so that it may run a step; `of` is the role it is about."""

    what: What
    of: str = ""

    @property
    def why(self) -> str:
        """In a sentence, which can be translated."""
        return _WHY[self.what]

    def is_met(self, present: Present) -> bool:
        """Whether the role that looked has it, by the rules of its release.

        Before 16, CREATEROLE administers every role that is no superuser. From 16 on it does
        those that it was given with ADMIN OPTION, its own creations among them.
        """
        me = present.me
        if me.superuser:
            return True
        match self.what:
            case "schema":
                return me.owns_schema
            case "database":
                return me.owns_database
            case "roles":
                return me.creates_roles
            case "role":
                role = present.roles.get(self.of)
                is_new = role is None and not self.of.startswith("pg_")
                administers = is_new or (role is not None and role.administered)
                return me.creates_roles and (me.major < 16 or administers)
            case "replication":
                return me.major >= 16 and me.creates_roles and me.replicates and me.bypasses_rows
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`sql` without a semicolon; of a new login it has VERIFIER. `undo` takes it back. `gives` is
    False where it takes something from the role."""

    kind: Change
    role: str
    object: str
    sql: str
    undo: str
    need: Need
    gives: bool = True


class Writer:
    """Writes the steps of one installation."""

    def __init__(self, schema: str, owner: str, present: Present) -> None:
        self._sql = Statements("roles", schema)
        self._schema = schema
        self._owner = owner
        self._present = present

    def create_group(self, name: str) -> Step:
        """A group that is not there."""
        return self._role(
            "role",
            name,
            self._text("create_group", role=name),
            self._text("drop_role", role=name),
            Need("roles"),
        )

    def create_login(self, name: str) -> Step:
        """A login that is not there; the verifier of its password is put in when it is run."""
        made = self._text("create_login", role=name, verifier=Fragment(VERIFIER))
        return self._role("role", name, made, self._text("drop_role", role=name), Need("roles"))

    def attributes(self, name: str, to: tuple[str, ...], back: tuple[str, ...]) -> Step:
        """Attributes of a role, and those that it had."""
        makes_mighty = {"REPLICATION", "BYPASSRLS"} & {one.removeprefix("NO") for one in to}
        is_super = "NOSUPERUSER" in to
        need = (
            Need("superuser" if is_super else "replication")
            if makes_mighty or is_super
            else (Need("role", name))
        )
        return Step(
            kind="attributes",
            role=name,
            object="",
            sql=self._text("set_attributes", role=name, attributes=Fragment(" ".join(to))),
            undo=self._text("set_attributes", role=name, attributes=Fragment(" ".join(back))),
            need=need,
            gives=not any(one.startswith("NO") for one in to),
        )

    def act_as(self, name: str, other: str, before: str | None) -> Step:
        """Whoever logs in so becomes another role."""
        undo = (
            self._text("act_as", role=name, other=before)
            if before
            else self._text("act_as_itself", role=name)
        )
        made = self._text("act_as", role=name, other=other)
        return self._role("attributes", name, made, undo, Need("role", name))

    def join(self, one: Membership) -> Step:
        """A role becomes a member."""
        return self._membership(one, "join", "leave")

    def leave(self, one: Membership) -> Step:
        """A role is no member any more."""
        return self._membership(one, "leave", "join_admin" if one.admin else "join")

    def leave_admin(self, one: Membership) -> Step:
        """A member admits nobody any more."""
        return self._membership(one, "leave_admin", "join_admin")

    def grant(
        self, kind: str, name: str, arguments: str, role: str, grants: Iterable[Grant]
    ) -> Step:
        """Give rights on one thing."""
        return self._rights("grant", "revoke", (kind, name, arguments, role), grants)

    def revoke(
        self, kind: str, name: str, arguments: str, role: str, grants: Iterable[Grant]
    ) -> Step:
        """Take rights on one thing."""
        return self._rights("revoke", "grant", (kind, name, arguments, role), grants)

    def revoke_option(
        self, kind: str, name: str, arguments: str, role: str, grants: Iterable[Grant]
    ) -> Step:
        """Leave rights, and take that they are handed on."""
        of = (kind, name, arguments, role)
        return self._rights("revoke_option", "grant_option", of, grants)

    def grant_default(self, one: Default) -> Step:
        """Give rights on what is made later."""
        return self._default(one, "grant_default", "revoke_default")

    def revoke_default(self, one: Default) -> Step:
        """Take rights on what is made later."""
        return self._default(one, "revoke_default", "grant_default")

    def _role(self, kind: Change, name: str, sql: str, undo: str, need: Need) -> Step:
        return Step(kind=kind, role=name, object="", sql=sql, undo=undo, need=need)

    def _membership(self, one: Membership, do: str, back: str) -> Step:
        names = {"granted": one.granted, "role": one.member}
        return Step(
            kind="membership",
            role=one.member,
            object=one.granted,
            sql=self._text(do, **names),
            undo=self._text(back, **names),
            need=Need("role", one.granted),
            gives=do == "join",
        )

    def _rights(
        self, do: str, back: str, of: tuple[str, str, str, str], grants: Iterable[Grant]
    ) -> Step:
        kind, name, arguments, role = of
        thing = _thing(kind, self._schema, name, arguments, self._is_procedure(name, arguments))
        names = {
            "privileges": Fragment(_privileges(grants)),
            "object": Fragment(thing),
            "role": role or Fragment("PUBLIC"),
        }
        need = Need(_OWNERS.get(kind, "schema"))
        return Step(
            kind="grant" if do == "grant" else "revoke",
            role=role or "PUBLIC",
            object=name,
            sql=self._text(do, **names),
            undo=self._text(back, **names),
            need=need,
            gives=do == "grant",
        )

    def _default(self, one: Default, do: str, back: str) -> Step:
        where = "" if one.schema else "_everywhere"
        names = {
            "owner": self._owner,
            "privileges": Fragment(one.privilege),
            "kind": Fragment(_KINDS[one.kind]),
            "role": one.role or Fragment("PUBLIC"),
        }
        return Step(
            kind="default",
            role=one.role or "PUBLIC",
            object=_KINDS[one.kind],
            sql=self._text(do + where, **names),
            undo=self._text(back + where, **names),
            need=Need("schema"),
            gives=do == "grant_default",
        )

    def _is_procedure(self, name: str, arguments: str) -> bool:
        return any(
            one.is_procedure
            for one in self._present.functions
            if (one.name, one.arguments) == (name, arguments)
        )

    def _text(self, statement: str, **names: str) -> str:
        text = self._sql.compose(statement, **names).as_string(None).replace("%%", "%")
        # Its purpose is for whoever reads the file.
        lines = [line for line in text.splitlines() if not line.startswith("--")]
        return " ".join(" ".join(lines).split())


def _thing(kind: str, schema: str, name: str, arguments: str, is_procedure: bool) -> str:
    match kind:
        case "function":
            word = "PROCEDURE" if is_procedure else "FUNCTION"
            return f"{word} {identifier(schema, name)}({arguments})"
        case "server function":
            return f"FUNCTION {identifier('pg_catalog', name)}({arguments})"
        case "database" | "schema":
            return f"{kind.upper()} {identifier(name)}"
    return f"{kind.upper()} {identifier(schema, name)}"


def _privileges(grants: Iterable[Grant]) -> str:
    """SELECT, UPDATE (a, b): as GRANT wants them."""
    columns: dict[str, list[str]] = defaultdict(list)
    for one in grants:
        columns[one.privilege] += [identifier(one.column)] if one.column else []
    return ", ".join(
        f"{privilege} ({', '.join(listed)})" if listed else privilege
        for privilege, listed in columns.items()
    )
