"""The text of the schema pages: an index with a diagram, and one page for each relation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agentpg.desk import markdown as md
from agentpg.desk.diagram import Link, find_links, mermaid, svg
from agentpg.desk.figures import NOTHING, Figures
from agentpg.desk.relations import Catalogue, Column, Relation
from agentpg.language import N_, Translate

# The first line of every file that may be replaced and removed by the next run.
MARKER = "<!-- written by agentpg from the live catalogue; edits are lost -->"

INDEX = "README.md"
PICTURE = "diagram.svg"

_KINDS = {
    "table": N_("table"),
    "partitioned table": N_("partitioned table"),
    "view": N_("view"),
    "materialized view": N_("materialized view"),
    "foreign table": N_("foreign table"),
}


@dataclass(frozen=True, slots=True)
class _Book:
    """What every page is written from."""

    catalogue: Catalogue
    links: Sequence[Link]
    names: dict[str, str]
    translate: Translate
    figures: Figures

    def titles(self, *texts: str) -> list[str]:
        return [self.translate(text) for text in texts]

    def see(self, relation: str) -> str:
        """A link to the page of a relation."""
        return f"[{md.text(relation)}]({self.names[relation]})"


def schema_pages(catalogue: Catalogue, translate: Translate) -> dict[str, str]:
    """File name to text: the same catalogue gives the same texts."""
    book = _Book(
        catalogue,
        find_links(catalogue.relations, catalogue.schema),
        _file_names([r.name for r in catalogue.relations]),
        translate,
        Figures(translate),
    )
    title = translate(N_("Tables of the schema {schema}")).format(schema=catalogue.schema)
    pages = {book.names[r.name]: _relation_page(book, r) for r in catalogue.relations}
    picture = f"{MARKER}\n{svg(catalogue.relations, book.links, title)}"
    return {INDEX: _index_page(book), PICTURE: picture, **pages}


def _file_names(relations: Sequence[str]) -> dict[str, str]:
    """A file for each relation; no two are the same, whatever the file system."""
    taken = {INDEX.lower()}
    names = {}
    for relation in relations:
        stem = re.sub(r"[^\w.-]", "_", relation).lstrip(".") or "_"
        name, number = f"{stem}.md", 2
        while name.lower() in taken:
            name, number = f"{stem}_{number}.md", number + 1
        taken.add(name.lower())
        names[relation] = name
    return names


def _index_page(book: _Book) -> str:
    _ = book.translate
    catalogue = book.catalogue
    tables = [r for r in catalogue.relations if r.is_table]
    others = [r for r in catalogue.relations if not r.is_table]
    read_at = catalogue.read_at.isoformat(sep=" ", timespec="seconds")
    about = _(N_("Database {database}, schema {schema}, PostgreSQL {version}.")).format(
        database=md.text(catalogue.database),
        schema=md.text(catalogue.schema),
        version=md.text(catalogue.version),
    )
    parts = [
        MARKER,
        f"# {_(N_('Schema'))} {md.text(catalogue.schema)}",
        about,
        _(N_("Read from the live catalogue at {moment}.")).format(moment=read_at),
        _index_section(book, N_("Tables"), tables, _table_row, sizes=True),
        _index_section(book, N_("Views"), others, _view_row),
        _functions(book),
        _diagram(book) if tables else "",
    ]
    return _joined(parts)


def _index_section(
    book: _Book,
    title: str,
    relations: Sequence[Relation],
    row: Callable[[_Book, Relation], list[str]],
    *,
    sizes: bool = False,
) -> str:
    if not relations:
        return ""
    head = [N_("Name"), N_("Meaning"), *([N_("Rows, estimated"), N_("Size")] if sizes else [])]
    rows = [row(book, r) for r in relations]
    return _section(book, title, md.table(book.titles(*head), rows, right=(2, 3)))


def _table_row(book: _Book, relation: Relation) -> list[str]:
    return [
        book.see(relation.name),
        md.text(relation.comment or NOTHING),
        book.figures.count(relation.estimated_rows),
        book.figures.size(_total_bytes(relation)),
    ]


def _view_row(book: _Book, relation: Relation) -> list[str]:
    return [book.see(relation.name), md.text(relation.comment or NOTHING)]


def _functions(book: _Book) -> str:
    if not book.catalogue.functions:
        return ""
    rows = [
        [
            md.code(f"{f.name}({f.arguments})"),
            md.code(f.result or "-"),
            md.text(f.comment or NOTHING),
        ]
        for f in book.catalogue.functions
    ]
    titles = book.titles(N_("Function"), N_("Returns"), N_("Meaning"))
    return _section(book, N_("Functions"), md.table(titles, rows))


def _diagram(book: _Book) -> str:
    _ = book.translate
    explained = _(
        N_(
            "Each table stands right of those it refers to. A solid line is a foreign key; a "
            "dotted one is kept by the programs that write, without a foreign key."
        )
    )
    picture = f"![{_(N_('Diagram of the tables'))}]({PICTURE})"
    drawn = md.block(mermaid(book.catalogue.relations, book.links), "mermaid")
    return _section(book, N_("Diagram"), _joined([explained, picture, drawn]).strip())


def _relation_page(book: _Book, relation: Relation) -> str:
    kind = book.translate(_KINDS[relation.kind])
    parts = [
        MARKER,
        f"# {md.text(relation.name)}",
        md.text(relation.comment or ""),
        _facts(book, relation, kind),
        _section(book, N_("Columns"), _columns(book, relation)),
        _indexes(book, relation),
        _constraints(book, relation),
        _triggers(book, relation),
        _references(book, relation),
        _dependents(book, relation),
        _definition(book, relation),
    ]
    return _joined(parts)


def _facts(book: _Book, relation: Relation, kind: str) -> str:
    _ = book.translate
    facts = [kind]
    if relation.is_table or relation.kind == "materialized view":
        facts.append(f"{_(N_('rows, estimated'))}: {book.figures.count(relation.estimated_rows)}")
    if relation.table_bytes is not None:
        table, indexes = (
            book.figures.size(n) for n in (relation.table_bytes, relation.index_bytes)
        )
        facts.append(f"{_(N_('size'))}: {table} + {_(N_('indexes'))} {indexes}")
    return f"{' · '.join(facts)} · [{_(N_('all tables'))}]({INDEX})"


def _columns(book: _Book, relation: Relation) -> str:
    titles = book.titles(N_("Column"), N_("Type"), N_("NULL"), N_("Default"), N_("Meaning"))
    rows = [
        [
            f"**{md.code(c.name)}**" if c.name in relation.key_columns else md.code(c.name),
            md.code(c.type),
            book.translate(N_("yes")) if c.nullable else book.translate(N_("no")),
            _default(c),
            md.text(c.comment or "") or _refers_to(book, relation, c),
        ]
        for c in relation.columns
    ]
    return md.table(titles, rows)


def _refers_to(book: _Book, relation: Relation, column: Column) -> str:
    """For a column that nobody explained: what it refers to."""
    for link in book.links:
        if link.source == relation.name and column.name in link.columns:
            target = link.target_columns[link.columns.index(column.name)]
            return f"→ {book.see(link.target)}.{md.text(target)}"
    return NOTHING


def _default(column: Column) -> str:
    if column.is_identity:
        return md.code("GENERATED AS IDENTITY")
    if column.is_generated:
        return md.code(f"GENERATED ALWAYS AS ({column.default})")
    return md.code(column.default) if column.default else NOTHING


def _indexes(book: _Book, relation: Relation) -> str:
    _ = book.translate
    if not relation.indexes:
        return ""
    titles = book.titles(N_("Index"), N_("Definition"), N_("Size"), N_("Scans"), N_("Meaning"))
    rows = [
        [
            md.code(i.name) + ("" if i.is_valid else f" **{_(N_('not valid'))}**"),
            md.code(i.definition),
            book.figures.size(i.size_bytes),
            book.figures.count(i.scans),
            md.text(i.comment or NOTHING),
        ]
        for i in relation.indexes
    ]
    return _section(book, N_("Indexes"), md.table(titles, rows, right=(2, 3)))


def _constraints(book: _Book, relation: Relation) -> str:
    _ = book.translate
    if not relation.constraints:
        return ""
    rows = [
        [
            md.code(c.name) + ("" if c.is_validated else f" **{_(N_('not valid'))}**"),
            md.code(c.definition),
            md.text(c.comment or NOTHING),
        ]
        for c in relation.constraints
    ]
    titles = book.titles(N_("Constraint"), N_("Definition"), N_("Meaning"))
    return _section(book, N_("Constraints"), md.table(titles, rows))


def _triggers(book: _Book, relation: Relation) -> str:
    _ = book.translate
    if not relation.triggers:
        return ""
    rows = [
        [
            md.code(t.name) + ("" if t.is_enabled else f" **{_(N_('disabled'))}**"),
            md.code(t.definition),
            md.text(t.comment or NOTHING),
        ]
        for t in relation.triggers
    ]
    titles = book.titles(N_("Trigger"), N_("Definition"), N_("Meaning"))
    return _section(book, N_("Triggers"), md.table(titles, rows))


def _references(book: _Book, relation: Relation) -> str:
    outward = [link for link in book.links if link.source == relation.name]
    inward = [k for k in book.links if k.target == relation.name and k.source != relation.name]
    lines = [
        f"- {_columns_of(k.columns)} → {book.see(k.target)} {_columns_of(k.target_columns)}"
        f"{_kept(book, k)}"
        for k in outward
    ]
    lines += [
        f"- {_columns_of(k.target_columns)} ← {book.see(k.source)} {_columns_of(k.columns)}"
        f"{_kept(book, k)}"
        for k in inward
    ]
    return _section(book, N_("References"), "\n".join(lines)) if lines else ""


def _columns_of(columns: Sequence[str]) -> str:
    return md.code(", ".join(columns))


def _kept(book: _Book, link: Link) -> str:
    return "" if link.enforced else f" ({book.translate(N_('without a foreign key'))})"


def _dependents(book: _Book, relation: Relation) -> str:
    if not relation.views:
        return ""
    own = book.catalogue.schema
    lines = [
        f"- {book.see(v.view) if v.view_schema == own else md.code(f'{v.view_schema}.{v.view}')}"
        for v in relation.views
    ]
    return _section(book, N_("Views that read it"), "\n".join(lines))


def _definition(book: _Book, relation: Relation) -> str:
    if not relation.definition:
        return ""
    return _section(book, N_("Definition"), md.block(relation.definition, "sql"))


def _total_bytes(relation: Relation) -> int | None:
    if relation.table_bytes is None:
        return None
    return relation.table_bytes + (relation.index_bytes or 0)


def _section(book: _Book, title: str, body: str) -> str:
    return f"## {book.translate(title)}\n\n{body}"


def _joined(parts: Sequence[str]) -> str:
    return "\n\n".join(part.strip() for part in parts if part) + "\n"
