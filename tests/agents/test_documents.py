"""Finding, reading and cutting documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentpg.agents.documents import find_documents, folder_within, read_document, split
from agentpg.errors import DocumentUnusable

pytestmark = pytest.mark.without_server


def _write(folder: Path, path: str, text: str | bytes = "# A title\n\nText.\n") -> Path:
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return place


def test_documents_are_found_in_order(tmp_path: Path) -> None:
    for path in ("b.md", "a/z.txt", "a/y.rst", "c.markdown", "image.png", ".hidden/x.md", ".x.md"):
        _write(tmp_path, path)
    (tmp_path / "folder.md").mkdir()
    assert find_documents(tmp_path) == ["a/y.rst", "a/z.txt", "b.md", "c.markdown"]


def test_links_that_lead_outside_are_no_documents(tmp_path: Path) -> None:
    inside = tmp_path / "docs"
    _write(inside, "a.md")
    (inside / "secret.md").symlink_to(_write(tmp_path, "secret.md"))
    (inside / "gone.md").symlink_to(tmp_path / "nowhere.md")
    assert find_documents(inside) == ["a.md"]
    with pytest.raises(DocumentUnusable, match="outside"):
        read_document(inside, "secret.md")


def test_a_document_has_a_title(tmp_path: Path) -> None:
    _write(tmp_path, "a.md", "Some words.\r\n\r\n## The title ##\r\n")
    document = read_document(tmp_path, "a.md")
    assert (document.path, document.title) == ("a.md", "The title")
    assert document.text == "Some words.\n\n## The title ##\n"
    _write(tmp_path, "notes.txt", "\ufeffplain")
    plain = read_document(tmp_path, "notes.txt")
    assert (plain.title, plain.text) == ("notes", "plain")


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("latin.md", "caf\xe9".encode("latin-1"), "not text in UTF-8"),
        ("binary.md", b"a\x00b", "not text in UTF-8"),
        ("large.md", b"x" * (20 * 1024**2 + 1), "larger than 20 MiB"),
        ("settings.env", b"KEY=1", "no Markdown or text file"),
        ("missing.md", None, "No such file"),
        ("folder.md/", None, "Is a directory"),
        ("../outside.md", b"text", "outside"),
        ("/etc/hostname", None, "outside"),
        ("n" * 300 + ".md", None, "File name too long"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, path: str, text: bytes | None, reason: str) -> None:
    inside = tmp_path / "docs"
    (inside / "folder.md").mkdir(parents=True)
    if text is not None:
        _write(inside, path, text)
    with pytest.raises(DocumentUnusable, match=reason):
        read_document(inside, path)


def test_folders_are_within_their_roots(tmp_path: Path) -> None:
    first, second = tmp_path / "docs", tmp_path / "pages"
    (first / "guide").mkdir(parents=True)
    second.mkdir()
    assert folder_within(None, [first, second]) == first
    assert folder_within("guide", [first, second]) == first / "guide"
    assert folder_within(str(second), [first, second]) == second
    for outside in ("..", str(tmp_path), "/etc", "guide/../../.."):
        with pytest.raises(DocumentUnusable, match="outside"):
            folder_within(outside, [first, second])
    with pytest.raises(DocumentUnusable, match="no such folder"):
        folder_within("nothing", [first, second])
    with pytest.raises(DocumentUnusable, match="File name too long"):
        folder_within("n" * 300, [first, second])


LONG = "".join(
    f"# Heading {n}\n\n" + f"Sentence one of {n}. And another sentence.\n\n" * (n + 1)
    for n in range(12)
)


@pytest.mark.parametrize("budget", [1, 7, 40, 100, 500, 10_000])
def test_parts_fit_and_lose_nothing(budget: int) -> None:
    parts = split(LONG, budget)
    assert "".join(parts) == LONG
    assert all(0 < len(part) <= budget for part in parts)


def test_parts_begin_at_headings_where_they_can() -> None:
    assert all(part.startswith("# Heading") for part in split(LONG, 600))
    assert split("", 10) == []


def test_a_text_without_seams_is_cut_all_the_same() -> None:
    assert [len(part) for part in split("x" * 25, 10)] == [10, 10, 5]
