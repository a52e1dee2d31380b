"""Everything that a person reads has a Korean translation that fits."""

from __future__ import annotations

import ast
import io
import re
import string
from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path

import click
import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

import agentpg
from agentpg import errors
from agentpg.cli.command import Taught, paragraphs
from agentpg.cli.root import NOUNS, root
from agentpg.desk.doctor.rooms import ROOMS, checks_of
from agentpg.language import choose_language, translation
from agentpg.settings import Settings

pytestmark = pytest.mark.without_server

PACKAGE = Path(agentpg.__path__[0])
CATALOGUE = PACKAGE / "locale" / "ko" / "LC_MESSAGES" / "agentpg.po"


@pytest.fixture(scope="module")
def korean() -> GNUTranslations:
    with CATALOGUE.open("rb") as source:
        messages = read_po(source, locale="ko", abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return GNUTranslations(compiled)


def test_every_text_in_the_code_has_a_translation(korean: GNUTranslations) -> None:
    _all_translated(korean, _marked_texts())


def test_every_error_has_a_translation(korean: GNUTranslations) -> None:
    texts = [text for kind in _error_classes() for text in (kind.sentence, kind.hint)]
    _all_translated(korean, texts)


def test_every_setting_has_a_translated_meaning(korean: GNUTranslations) -> None:
    meanings = [field.description or "" for field in Settings.model_fields.values()]
    assert all(meanings)
    _all_translated(korean, meanings)


def test_every_help_text_has_a_translation(korean: GNUTranslations) -> None:
    texts = [text for _, command in commands() for text in _help_texts(command)]
    _all_translated(korean, texts)


def test_every_threshold_in_words_has_a_translation(korean: GNUTranslations) -> None:
    """Two words beside each other are more than the names of settings and commands."""
    said = [check.threshold for room in ROOMS for check in checks_of(room)]
    words = [one for one in said if re.search(r"(?<![-\w])[a-z]{2,} [a-z]{2,}", one)]
    _all_translated(korean, [one for one in words if not one.startswith("git ")])


def test_every_translation_keeps_names_and_commands() -> None:
    """The same values in braces, and the same code between backquotes."""
    wrong = [id_ for id_, text in _entries() if _kept(id_) != _kept(text)]
    assert wrong == []


def test_no_translation_is_doubtful_or_given_twice() -> None:
    assert [id_ for id_, _ in _entries(doubtful=True)] == []
    ids = re.findall(r'^msgid ((?:".*"\n?)+)', CATALOGUE.read_text(encoding="utf-8"), re.MULTILINE)
    plain = ["".join(ast.literal_eval(line) for line in i.splitlines()) for i in ids]
    assert sorted({i for i in plain if plain.count(i) > 1}) == []


def test_the_compiled_catalogue_is_current() -> None:
    """`make install` compiles it; by hand: python tools/compile_messages.py."""
    translate = translation("ko")
    stale = [id_ for id_, text in _entries() if translate(id_) != text]
    assert stale == [], "agentpg.mo is older than agentpg.po"


@pytest.mark.parametrize(
    ("wanted", "environment", "chosen"),
    [
        ("", {}, "en"),
        ("ko", {}, "ko"),
        ("en", {"LANG": "ko_KR.UTF-8"}, "en"),
        ("", {"LANG": "ko_KR.UTF-8"}, "ko"),
        ("", {"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "en"),
        ("", {"LANG": "C", "LC_MESSAGES": "ko_KR"}, "ko"),
        ("", {"LANG": "de_DE.UTF-8"}, "en"),
        ("", {"LANGUAGE": "ko:en", "LC_ALL": "C"}, "ko"),
    ],
)
def test_the_language_is_what_is_wanted_or_what_the_locale_says(
    wanted: str, environment: dict[str, str], chosen: str
) -> None:
    assert choose_language(wanted, environment) == chosen


def test_an_error_is_said_in_the_language_of_the_reader() -> None:
    error = errors.TaskNotFound(task_id="0198")
    assert str(error) == "no task has the id 0198"
    assert error.message(translation("en")) == str(error)
    assert "0198" in error.message(translation("ko"))
    assert error.message(translation("ko")) != str(error)
    assert "`agentpg task list`" in error.advice(translation("ko"))


def commands() -> Iterator[tuple[str, Taught]]:
    """Every command of the command line with its path."""
    context = click.Context(root)
    yield "agentpg", root
    for noun in root.list_commands(context):
        yield from _below(f"agentpg {noun}", root.get_command(context, noun))


def _below(path: str, command: click.Command | None) -> Iterator[tuple[str, Taught]]:
    assert isinstance(command, Taught), f"{path}: use cls=Command or cls=Group"
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from _below(f"{path} {name}", command.get_command(context, name))


def _help_texts(command: Taught) -> Iterator[str]:
    yield from paragraphs(command.help)
    for parameter in command.get_params(click.Context(command)):
        yield getattr(parameter, "help", None) or ""
    for line in command.examples.splitlines():
        if line.startswith("# "):
            yield line.removeprefix("# ")


def _marked_texts() -> list[str]:
    """The literals within N_("…") and _("…"), and the summaries of the nouns."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in PACKAGE.rglob("*.py")]
    calls = (n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Call))
    literals = (c.args[0] for c in calls if _marks(c.func) and len(c.args) == 1)
    texts = [a.value for a in literals if isinstance(a, ast.Constant)]
    return [t for t in texts if isinstance(t, str)] + [noun.summary for noun in NOUNS.values()]


def _marks(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id in {"N_", "_"}


def _error_classes() -> list[type[errors.AgentpgError]]:
    return [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.AgentpgError)
    ]


def _all_translated(korean: GNUTranslations, texts: list[str]) -> None:
    catalogue: dict[str, str] = vars(korean)["_catalog"]
    missing = {t for t in texts if re.search(r"[a-z]{2}", _words(t)) and t not in catalogue}
    assert not missing, "agentpg.po lacks:\n" + "\n".join(sorted(missing))


def _words(text: str) -> str:
    return re.sub(r"\{\w+(![rsa])?\}|`[^`]*`", "", text)


def _entries(*, doubtful: bool = False) -> list[tuple[str, str]]:
    with CATALOGUE.open("rb") as source:
        messages = read_po(source, locale="ko")
    return [
        (str(m.id), str(m.string)) for m in messages if m.id and (m.fuzzy if doubtful else True)
    ]


def _kept(text: str) -> tuple[list[str], list[str]]:
    fields = [name for _, name, _, _ in string.Formatter().parse(text) if name]
    return sorted(set(fields)), sorted(set(re.findall(r"`[^`]*`", text)))
