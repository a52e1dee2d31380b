"""How the tables of a schema refer to each other, as a picture: Mermaid and SVG."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentpg.desk.relations import Column, Relation
from agentpg.desk.templates import template

# Our hot tables have no foreign keys; these columns refer to other tables all the same.
_REFERENCES = {
    "task_id": ("tasks", "id"),
    "parent_id": ("tasks", "id"),
    "worker": ("workers", "id"),
}
_EXECUTION = ("task_id", "attempt")

_BOX_WIDTH = 250
_ROW = 20
_HEAD = 30
_LAYER_GAP = 90
_BOX_GAP = 28
_MARGIN = 16


@dataclass(frozen=True, slots=True)
class Link:
    """Columns of one table that hold the key of another; `enforced` by a foreign key."""

    source: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    enforced: bool
    optional: bool


@dataclass(frozen=True, slots=True)
class _Box:
    relation: Relation
    x: int
    y: int

    @property
    def height(self) -> int:
        return _HEAD + _ROW * len(self.relation.columns) + 8

    @property
    def right(self) -> int:
        return self.x + _BOX_WIDTH

    def row_y(self, column: str) -> float:
        names = [c.name for c in self.relation.columns]
        return self.y + _HEAD + _ROW * (names.index(column) + 0.5)


def find_links(relations: Iterable[Relation], schema: str) -> list[Link]:
    """Foreign keys within the schema, and the references of our own tables."""
    tables = {r.name: r for r in relations if r.is_table}
    return [
        link
        for table in tables.values()
        for link in (*_foreign_keys(table, schema), *_our_references(table, tables))
        if link.target in tables
    ]


def mermaid(relations: Iterable[Relation], links: Sequence[Link]) -> str:
    """The diagram in Mermaid's language; dotted lines are kept by the programs alone."""
    lines = ["erDiagram"]
    for table in (r for r in relations if r.is_table):
        lines += [f'    "{_quoted(table.name)}" {{', *_mermaid_rows(table, links), "    }"]
    for link in links:
        many = ("|o" if link.optional else "||") + ("--" if link.enforced else "..") + "o{"
        ends = f'"{_quoted(link.target)}" {many} "{_quoted(link.source)}"'
        lines.append(f'    {ends} : "{_quoted(", ".join(link.columns))}"')
    return "\n".join(lines)


def svg(relations: Iterable[Relation], links: Sequence[Link], title: str) -> str:
    """The same as a picture: each table stands right of those that it refers to."""
    boxes = _place([r for r in relations if r.is_table], links)
    return template("diagram.svg.j2").render(
        title=title,
        boxes=list(boxes.values()),
        lines=[_line(boxes, link) for link in links],
        referring={(link.source, name) for link in links for name in link.columns},
        box_width=_BOX_WIDTH,
        width=max((b.right for b in boxes.values()), default=0) + 2 * _MARGIN,
        height=max((b.y + b.height for b in boxes.values()), default=0) + _MARGIN,
        short_type=short_type,
        row=_ROW,
        head=_HEAD,
    )


def short_type(column: Column) -> str:
    """The type's short name, without its length."""
    names = {
        "timestamp with time zone": "timestamptz",
        "timestamp without time zone": "timestamp",
        "character varying": "varchar",
        "double precision": "float8",
    }
    bare = re.sub(r"\([^)]*\)", "", column.type)
    return names.get(bare, bare)


def _foreign_keys(table: Relation, schema: str) -> Iterable[Link]:
    nullable = {c.name for c in table.columns if c.nullable}
    for key in table.constraints:
        if key.kind == "f" and key.target and key.target_schema == schema:
            columns = tuple(key.columns or ())
            yield Link(
                source=table.name,
                columns=columns,
                target=key.target,
                target_columns=tuple(key.target_columns or ()),
                enforced=True,
                optional=bool(nullable & set(columns)),
            )


def _our_references(table: Relation, tables: dict[str, Relation]) -> Iterable[Link]:
    columns = {c.name: c for c in table.columns}
    enforced = {name for c in table.constraints if c.kind == "f" for name in c.columns or ()}
    if _refers_to_execution(table, tables):
        yield Link(table.name, _EXECUTION, "agent_executions", _EXECUTION, False, False)
        enforced |= {"task_id"}
    for name, (target, key) in _REFERENCES.items():
        if name in columns and name not in enforced and _has(tables.get(target), key):
            yield Link(table.name, (name,), target, (key,), False, columns[name].nullable)


def _refers_to_execution(table: Relation, tables: dict[str, Relation]) -> bool:
    executions = tables.get("agent_executions")
    return table != executions and all(
        _has(one, name) for one in (table, executions) for name in _EXECUTION
    )


def _has(table: Relation | None, column: str) -> bool:
    return table is not None and any(c.name == column for c in table.columns)


def _mermaid_rows(table: Relation, links: Sequence[Link]) -> Iterable[str]:
    foreign = {name for link in links if link.source == table.name for name in link.columns}
    for column in table.columns:
        keys = [
            key
            for key, names in (("PK", table.key_columns), ("FK", foreign))
            if column.name in names
        ]
        words = (_word(short_type(column)), _word(column.name), ", ".join(keys))
        yield "        " + " ".join(word for word in words if word)


def _place(tables: Sequence[Relation], links: Sequence[Link]) -> dict[str, _Box]:
    layers = _layers([t.name for t in tables], links)
    bottoms: dict[int, int] = {}
    boxes = {}
    for table in tables:
        layer = layers[table.name]
        box = _Box(
            table,
            x=_MARGIN + layer * (_BOX_WIDTH + _LAYER_GAP),
            y=bottoms.get(layer, _MARGIN),
        )
        bottoms[layer] = box.y + box.height + _BOX_GAP
        boxes[table.name] = box
    return boxes


def _layers(names: Sequence[str], links: Sequence[Link]) -> dict[str, int]:
    """How many references lead on from each table; circles are cut at so many tables."""
    layers = dict.fromkeys(names, 0)
    for _ in names:
        for link in links:
            if link.source != link.target and layers[link.source] <= layers[link.target]:
                layers[link.source] = min(layers[link.target] + 1, len(names) - 1)
    return layers


def _line(boxes: dict[str, _Box], link: Link) -> dict[str, object]:
    source, target = boxes[link.source], boxes[link.target]
    y1, y2 = target.row_y(link.target_columns[0]), source.row_y(link.columns[0])
    x1 = target.right
    x2, bend = (source.x, -40) if source.x > target.x else (source.right, 40)
    path = f"M{x1} {y1:g} C{x1 + 40} {y1:g} {x2 + bend} {y2:g} {x2} {y2:g}"
    return {"path": path, "enforced": link.enforced, "x": x2, "y": y2}


def _word(name: str) -> str:
    return re.sub(r"^(?=[^A-Za-z_])", "_", re.sub(r"[^A-Za-z0-9_]", "_", name))


def _quoted(name: str) -> str:
    return name.replace('"', "'")
