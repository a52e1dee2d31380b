"""The statements that give a table from before agentpg the shape of agentpg's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agentpg.db import Connection, Fragment, Statements, TupleRow, identifier, render
from agentpg.schema.conversion import Conversion
from agentpg.schema.tablefacts import Column, Constraint, Index, Table

# Columns that are filled from others before they are made NOT NULL.
_FILLED = {
    "agent_executions": {
        "attempt",
        "llm_calls",
        "llm_total_tokens",
        "llm_unknown_calls",
        "llm_unpriced_calls",
    }
}

# Where a user's name may be, the best first.
_NAMES = ("name", "login", "user_name", "email")


@dataclass(frozen=True, slots=True)
class Step:
    """One statement; `what` is its name in `adoption.sql`, `object` what it is about."""

    what: str
    object: str
    statement: str


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the steps of one adoption."""

    connection: Connection[TupleRow]
    schema: str
    file: str = "adoption"

    def step(
        self, what: str, about: str, values: Mapping[str, Any] | None = None, /, **names: str
    ) -> Step:
        """The statement `what` with its names and values filled in."""
        composed = Statements(self.file, self.schema).compose(what, **names)
        return Step(what, about, render(self.connection, composed, values))


@dataclass(frozen=True, slots=True)
class Reshaping:
    """One table: how it is, how it shall be, and how its columns are converted."""

    write: Writer
    found: Table
    wanted: Table
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    # The new name of a key that is no uuid, and whether old roles have to be kept aside.
    key_becomes: str = ""
    keeps_roles: bool = False

    def prepare(self) -> Iterator[Step]:
        """Free the table of what is in the way, and give it all columns."""
        yield from self._drop_constraints()
        yield from self._demote_key()
        if self.key_becomes:
            yield self._step("rename_column", column="id", new_name=self.key_becomes)
        if self.keeps_roles:
            kind = Fragment(self.found.columns["role"].type)
            yield self._step("copy_column", column="role", new_name="legacy_role", type=kind)
        for column in self._present().values():
            if column.name in self.conversions:
                yield self._convert(column)
        for column in self.wanted.columns.values():
            if column.name not in self._present():
                yield self._add(column)

    def fill(self, values: Mapping[str, Any]) -> Iterator[Step]:
        """Complete the rows that are there; what is known in other columns tells."""
        if self.found.name == "tasks":
            yield self._fill("settle_old_tasks", values)
        elif self.found.name == "agent_executions":
            yield self._fill("name_executions")
            if "attempt" not in self._present():
                yield self._fill("number_executions")
            yield self._fill("settle_old_executions")
        else:
            for name in _NAMES:
                if name in self._extra():
                    yield self._step("name_users", column=name)
            yield self._fill("weaken_roles")

    def finish(self) -> Iterator[Step]:
        """Make it as strict as agentpg's own."""
        for column in self.wanted.columns.values():
            yield from self._set_default(column)
            yield from self._set_nullability(column)
        for column in self._extra().values():
            if column.not_null and column.default is None and not column.is_made:
                yield self._step("drop_not_null", column=column.name)
        yield from self._set_key()
        for constraint in self.wanted.constraints:
            if constraint.kind != "p":
                yield self._add_constraint(constraint)
        yield from self._set_options()

    def index(self, wanted: Index, statement: str) -> Iterator[Step]:
        """One of agentpg's indexes: the one that does the same, or a new one."""
        same = next((i for i in self.found.indexes if i.is_valid and i.form == wanted.form), None)
        taken = {index.name for index in self.found.indexes}
        if same is not None and same.name == wanted.name:
            return
        if wanted.name in taken:
            new_name = f"{wanted.name}_before"
            yield self._step("rename_index", index=wanted.name, new_name=new_name)
        if same is None:
            yield Step("create_index", f"{self.found.name}.{wanted.name}", statement)
        else:
            yield self._step("rename_index", index=same.name, new_name=wanted.name)

    def _present(self) -> dict[str, Column]:
        """The columns of agentpg's that are there already, under their names."""
        return {
            name: column
            for name, column in self.found.columns.items()
            if name in self.wanted.columns and not (name == "id" and self.key_becomes)
        }

    def _extra(self) -> dict[str, Column]:
        """The columns of others, under the names they have in the end."""
        extra = {n: c for n, c in self.found.columns.items() if n not in self.wanted.columns}
        if self.key_becomes:
            old = self.found.columns["id"]
            extra[self.key_becomes] = replace(old, name=self.key_becomes)
        return extra

    def _drop_constraints(self) -> Iterator[Step]:
        ours = {constraint.name for constraint in self.wanted.constraints}
        for constraint in self.found.constraints:
            touches = set(constraint.columns) & self._present().keys()
            if constraint.kind in ("c", "f") and (touches or constraint.name in ours):
                yield self._constraint("drop_constraint", constraint)

    def _demote_key(self) -> Iterator[Step]:
        """A primary key on other columns becomes a unique one; foreign keys to it stay."""
        key = self.found.key
        if key is None or self._keeps_key(key):
            return
        leading = [r for r in self.found.references if r.target_columns == key.columns]
        for reference in leading:
            yield self._constraint("drop_constraint", reference)
        yield self._constraint("drop_constraint", key)
        unique = replace(
            key,
            name=f"{self.found.name}_before_key"[:63],
            definition=key.definition.replace("PRIMARY KEY", "UNIQUE", 1),
        )
        yield self._add_constraint(unique)
        for reference in leading:
            yield self._add_constraint(reference)

    def _keeps_key(self, key: Constraint) -> bool:
        wanted = self.wanted.key
        return wanted is not None and key.columns == wanted.columns and not self.key_becomes

    def _set_key(self) -> Iterator[Step]:
        key, wanted = self.found.key, self.wanted.key
        if wanted is None:
            return
        if key is None or not self._keeps_key(key):
            yield self._add_constraint(wanted)
        elif key.name != wanted.name:
            names = {"constraint": key.name, "new_name": wanted.name}
            yield self._step("rename_constraint", **names)

    def _convert(self, column: Column) -> Step:
        wanted = self.wanted.columns[column.name]
        using = Fragment(self.conversions[column.name].using)
        return self._step(
            "convert_column", column=column.name, type=Fragment(wanted.type), using=using
        )

    def _add(self, column: Column) -> Step:
        name, kind = column.name, column.type
        if name == "adopted":
            values = {"value": Fragment("true"), "default": Fragment("false")}
            kind = Fragment(f"{kind} NOT NULL")
            return self._step("add_column_for_all", column=name, type=kind, **values)
        if column.not_null and name not in _FILLED.get(self.found.name, ()):
            kind = f"{kind} NOT NULL" + (f" DEFAULT {column.default}" if column.default else "")
        return self._step("add_column", column=name, type=Fragment(kind))

    def _set_default(self, column: Column) -> Iterator[Step]:
        present = self._now(column).default
        if column.default is not None and column.default != present:
            default = Fragment(column.default)
            yield self._step("set_default", column=column.name, default=default)
        elif column.default is None and present is not None:
            yield self._step("drop_default", column=column.name)

    def _set_nullability(self, column: Column) -> Iterator[Step]:
        present = self._now(column).not_null
        if column.not_null and not present:
            if column.default is not None:
                yield self._step("fill_nulls", column=column.name)
            yield self._step("set_not_null", column=column.name)
        elif present and not column.not_null:
            yield self._step("drop_not_null", column=column.name)

    def _now(self, column: Column) -> Column:
        """The column as it is after `prepare`."""
        present = self._present().get(column.name)
        if present is not None:
            converted = column.name in self.conversions
            return replace(present, default=None) if converted else present
        filled = column.name in _FILLED.get(self.found.name, ())
        if column.not_null and not filled:
            return column
        return replace(column, default=None, not_null=False)

    def _set_options(self) -> Iterator[Step]:
        if self.found.is_unlogged:
            yield self._step("set_logged")
        if foreign := [o for o in self.found.options if o not in self.wanted.options]:
            names = ", ".join(identifier(option.partition("=")[0]) for option in foreign)
            yield self._step("reset_options", options=Fragment(names))
        if missing := [o for o in self.wanted.options if o not in self.found.options]:
            yield self._step("set_options", options=Fragment(", ".join(missing)))

    def _constraint(self, what: str, constraint: Constraint) -> Step:
        schema = self.write.schema if constraint.is_of_ours else constraint.schema_name
        return self.write.step(
            what,
            f"{constraint.table_name}.{constraint.name}: {constraint.definition}",
            old_schema=schema,
            table=constraint.table_name,
            constraint=constraint.name,
            definition=Fragment(constraint.definition),
        )

    def _add_constraint(self, constraint: Constraint) -> Step:
        return self._constraint("add_constraint", constraint)

    def _fill(self, what: str, values: Mapping[str, Any] | None = None) -> Step:
        return self.write.step(what, self.found.name, values)

    def _step(self, what: str, **names: str) -> Step:
        about = names.get("column") or names.get("constraint") or names.get("index") or ""
        path = f"{self.found.name}.{about}".rstrip(".")
        return self.write.step(what, path, table=self.found.name, **names)
