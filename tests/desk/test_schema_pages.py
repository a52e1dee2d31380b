"""What the schema pages say."""

from __future__ import annotations

import re

import pytest

from agentpg.db import Database, connect
from agentpg.desk.relations import read_catalogue
from agentpg.desk.schema_pages import INDEX, MARKER, PICTURE, schema_pages
from agentpg.language import translation, untranslated


@pytest.fixture
def pages(database: Database) -> dict[str, str]:
    with connect(database) as connection:
        connection.execute(
            'CREATE TABLE "README" (id int); CREATE TABLE "readme" (id int); '
            'CREATE TABLE "../up" (id int, "a|b" text DEFAULT $$`|`$$);'
        )
    return schema_pages(read_catalogue(database), untranslated)


def test_there_is_a_page_for_each_relation(pages: dict[str, str]) -> None:
    assert {INDEX, PICTURE, "tasks.md", "workers.md", "agent_statistics.md"} <= set(pages)
    assert all(text.startswith(f"{MARKER}\n") for text in pages.values())


def test_odd_names_get_files_of_their_own_inside_the_folder(pages: dict[str, str]) -> None:
    assert len({name.lower() for name in pages}) == len(pages)
    assert {"README_2.md", "readme_3.md", "_up.md"} <= set(pages)
    assert all(re.fullmatch(r"[\w.-]+", name) for name in pages)


def test_links_between_pages_lead_somewhere(pages: dict[str, str]) -> None:
    targets = {t for text in pages.values() for t in re.findall(r"\]\(([^)]+)\)", text)}
    assert targets <= set(pages)


def test_a_table_is_described_with_all_its_parts(pages: dict[str, str]) -> None:
    page = pages["tasks.md"]
    titles = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert titles == [
        "Columns",
        "Indexes",
        "Constraints",
        "Triggers",
        "References",
        "Views that read it",
    ]
    assert "| **`id`** | `uuid` | no | `uuid7()` |" in page
    assert "| `run_at` | `timestamp with time zone` | no | `now()` | not claimed before |" in page
    assert "- `id` ← [agent_executions](agent_executions.md) `task_id`" in page


def test_a_view_is_described_with_its_definition(pages: dict[str, str]) -> None:
    assert "## Definition\n\n```sql\n" in pages["task_counts.md"]
    assert "How many tasks each agent has in each state." in pages["task_counts.md"]


def test_every_table_is_as_wide_as_its_head(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(widths) == 1, (name, table)


def test_pages_can_be_korean(database: Database) -> None:
    pages = schema_pages(read_catalogue(database), translation("ko"))
    assert "## 제약 조건" in pages["tasks.md"]
    assert set(pages) == set(schema_pages(read_catalogue(database), untranslated))
