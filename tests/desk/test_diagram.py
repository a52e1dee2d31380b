"""The references between tables, and their pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from agentpg.db import Database, connect
from agentpg.desk.diagram import Link, find_links, mermaid, svg
from agentpg.desk.relations import Relation, read_catalogue


@pytest.fixture
def relations(database: Database) -> tuple[Relation, ...]:
    with connect(database) as connection:
        connection.execute(
            'CREATE TABLE "odd <name>" ("my id" int PRIMARY KEY, task_id uuid NOT NULL '
            'REFERENCES tasks, twin int REFERENCES "odd <name>")'
        )
    return read_catalogue(database).relations


@pytest.fixture
def links(relations: tuple[Relation, ...]) -> list[Link]:
    return find_links(relations, "agentic_ai")


def test_our_tables_refer_to_each_other_without_foreign_keys(links: list[Link]) -> None:
    kept = {(k.source, k.columns, k.target) for k in links if not k.enforced}
    assert kept >= {
        ("agent_executions", ("task_id",), "tasks"),
        ("agent_executions", ("worker",), "workers"),
        ("llm_requests", ("task_id", "attempt"), "agent_executions"),
        ("tasks", ("parent_id",), "tasks"),
        ("tasks", ("worker",), "workers"),
    }


def test_foreign_keys_are_found_once(links: list[Link]) -> None:
    odd = [(k.columns, k.target, k.enforced, k.optional) for k in links if k.source[0] == "o"]
    assert sorted(odd) == [
        (("task_id",), "tasks", True, False),
        (("twin",), "odd <name>", True, True),
    ]


def test_mermaid_draws_keys_and_references(
    relations: tuple[Relation, ...], links: list[Link]
) -> None:
    drawn = mermaid(relations, links)
    assert drawn.startswith("erDiagram\n")
    assert "        uuid task_id PK, FK" in drawn
    assert '    "tasks" ||--o{ "odd <name>" : "task_id"' in drawn
    assert '    "workers" |o..o{ "tasks" : "worker"' in drawn
    assert "        integer my_id PK" in drawn


def test_the_picture_is_well_formed_and_complete(
    relations: tuple[Relation, ...], links: list[Link]
) -> None:
    drawn = svg(relations, links, "a <title> & more")
    tree = ElementTree.fromstring(drawn)  # noqa: S314 - written a line above
    names = [e.text for e in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {"tasks", "odd <name>", "llm_total_tokens"} <= set(names)
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}path"))) == len(links)


def test_circles_between_tables_are_drawn_too(database: Database) -> None:
    with connect(database) as connection:
        connection.execute(
            "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, "
            "a int REFERENCES a); ALTER TABLE a ADD b int REFERENCES b"
        )
    found = read_catalogue(database).relations
    assert "<svg" in svg(found, find_links(found, "agentic_ai"), "circle")
