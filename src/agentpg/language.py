"""The reader's language: English as written in the code, and its Korean catalogue.

Machine output (JSON, logs, codes, option names) is never translated.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Mapping
from importlib import resources

Translate = Callable[[str], str]

LANGUAGES = ("en", "ko")


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for "translate later"
    """Mark `text` for the catalogue; it is translated where it is shown."""
    return text


def untranslated(text: str) -> str:
    """The text as it stands in the code."""
    return text


def choose_language(wanted: str, environment: Mapping[str, str]) -> str:
    """`en` or `ko`: what is wanted, or else what the locale variables say.

    The order of the variables is gettext's: LANGUAGE, LC_ALL, LC_MESSAGES, LANG.
    """
    if wanted in LANGUAGES:
        return wanted
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(variable, "")
        if value:
            return "ko" if value.lower().startswith("ko") else "en"
    return "en"


def translation(language: str) -> Translate:
    """The function that translates a text of the code into `language`."""
    if language != "ko":
        return untranslated
    folder = resources.files("agentpg") / "locale"
    with resources.as_file(folder) as path:
        catalogue = gettext.translation("agentpg", path, languages=[language], fallback=True)

    def translate(text: str) -> str:
        return catalogue.gettext(text) if text else text

    return translate
