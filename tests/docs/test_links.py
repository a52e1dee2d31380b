"""Links between pages lead somewhere, and pictures stand by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote
from xml.parsers.expat import ParserCreate

import pytest
from markdown_it.token import Token

from tests.docs.pages import ROOT, Page, pages, read

pytestmark = pytest.mark.without_server

_OUTSIDE = re.compile(r"[a-z]+:")
_HTML_TARGET = re.compile(r"(?:href|src|srcset)=\"([^\"]+)\"")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Page) -> None:
    dead = [target for target in _targets(page) if not _leads_somewhere(page, target)]
    assert not dead, f"{page.name} has dead links: {dead}"


def test_every_page_of_docs_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        path = ahead.pop()
        if path not in seen and path.suffix == ".md":
            seen.add(path)
            ahead += [_file(read(path), target) for target in _inside(read(path))]
    assert sorted(set((ROOT / "docs").rglob("*.md")) - seen) == []


@pytest.mark.parametrize(
    "picture", sorted((ROOT / "docs").rglob("*.svg")), ids=lambda picture: picture.name
)
def test_pictures_stand_by_themselves(picture: Path) -> None:
    text = picture.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"')]+", text)) == {"http://www.w3.org/2000/svg"}
    assert ParserCreate().Parse(text, True) == 1


def _leads_somewhere(page: Page, target: str) -> bool:
    if _OUTSIDE.match(target):
        return target.startswith(("https://", "mailto:"))
    _, _, anchor = target.partition("#")
    file = _file(page, target)
    if not file.exists() or not file.is_relative_to(ROOT):
        return False
    return not anchor or (file.suffix == ".md" and anchor in _anchors(read(file)))


def _file(page: Page, target: str) -> Path:
    path = unquote(target.partition("#")[0])
    return (page.path.parent / path).resolve() if path else page.path


def _inside(page: Page) -> list[str]:
    return [t for t in _targets(page) if not _OUTSIDE.match(t) and _file(page, t).is_file()]


def _targets(page: Page) -> Iterator[str]:
    for token in _all_tokens(page.tokens):
        if token.type == "link_open":
            yield str(token.attrs["href"])
        elif token.type == "image":
            yield str(token.attrs["src"])
        elif token.type in ("html_block", "html_inline"):
            yield from _HTML_TARGET.findall(token.content)


def _all_tokens(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _all_tokens(token.children or [])


def _anchors(page: Page) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = (
        page.tokens[number + 1].content
        for number, token in enumerate(page.tokens)
        if token.type == "heading_open"
    )
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
