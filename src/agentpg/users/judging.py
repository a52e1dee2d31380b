"""How hard a chosen password is to guess, by zxcvbn's estimate: those of accounts, and of roles.

zxcvbn knows the lists of leaked passwords, names, words, dates and patterns of keyboards, and
estimates in how many guesses a password is found by who tries the likely ones first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zxcvbn import zxcvbn

from agentpg.errors import PasswordTooWeak
from agentpg.language import N_
from agentpg.users.passwords import LONGEST, composed

# Of zxcvbn's 0 to 4: from 4 on a stolen verifier withstands 10^10 guesses and more.
ENOUGH = 4

# CIS PostgreSQL 5.6 and NIST SP 800-63B-4, section 3.1.1.2 (15 where it is the only proof).
SHORTEST = 15

# zxcvbn's time grows with the square of the length; what is longer is judged by this much of it.
_JUDGED = 72

TOO_SHORT = N_("It has fewer than {least} characters.")
HAS_NAME = N_("It has the name of the role, the database or the account in it.")

_TOO_LONG = N_("it has more than 256 characters")
_NOT_TEXT = N_("it holds characters that are no text")
_TOO_SHORT = N_("it has fewer than 15 characters")
_GUESSED = N_("it is guessed soon, since it is like others or like the name")

_COMMON = N_("It is one of the passwords that everybody tries first.")
_LIKE_COMMON = N_("It is like one of the passwords that everybody tries first.")
_WORD = N_("A word by itself is easy to guess.")
_NAMES = N_("Names are easy to guess.")
_KEYS = N_("Patterns of the keyboard are easy to guess.")
_REPEATS = N_("Repeated characters and words are easy to guess.")
_SEQUENCES = N_("Sequences such as abc or 6543 are easy to guess.")
_DATES = N_("Dates and years are easy to guess.")

# What zxcvbn warns of, by words of its sentences; in our own, so that they can be translated.
_WARNINGS = (
    (re.compile("similar to a common"), _LIKE_COMMON),
    (re.compile("common password"), _COMMON),
    (re.compile("word by itself"), _WORD),
    (re.compile("names"), _NAMES),
    (re.compile("rows of keys|keyboard"), _KEYS),
    (re.compile("Repeats"), _REPEATS),
    (re.compile("Sequences"), _SEQUENCES),
    (re.compile("years|Dates"), _DATES),
)

_MORE_WORDS = N_("Take one that `agentpg security password generate` makes, or add uncommon words.")
_NO_CAPITALS = N_("Capital letters help little.")
_NO_SWAPS = N_("Writing @ for a, or words backwards, helps little.")

_ADVICE = (
    (re.compile("Capitalization|uppercase is"), _NO_CAPITALS),
    (re.compile("substitutions|Reversed"), _NO_SWAPS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is known of a password without the password: zxcvbn's score from 0 to 4, the power of
    ten of the guesses, what is bad about it, and what would be better."""

    score: int
    guesses_log10: float
    length: int
    warnings: Sequence[str]
    advice: Sequence[str]

    @property
    def is_enough(self) -> bool:
        """Whether it may be a role's."""
        return self.score >= ENOUGH and not self.warnings


def judge(password: str, names: Sequence[str] = ()) -> Judgement:
    """Judge a password; `names` are those that a guesser tries first, such as the role's."""
    said = zxcvbn(composed(password)[:_JUDGED], user_inputs=[*names, "agentpg", "postgres"])
    score = int(said["score"])
    feedback = said["feedback"]
    warnings = _known(_WARNINGS, [feedback.get("warning") or ""])
    if len(password) < SHORTEST:
        warnings.append(TOO_SHORT)
    if any(len(name) > 3 and name.lower() in password.lower() for name in names):
        warnings.append(HAS_NAME)
    advice = _known(_ADVICE, feedback.get("suggestions") or [])
    if score < ENOUGH or warnings:
        advice.insert(0, _MORE_WORDS)
    return Judgement(
        score=score,
        guesses_log10=float(said["guesses_log10"]),
        length=len(password),
        warnings=warnings,
        advice=advice,
    )


def require_strong(password: str, *known: str) -> None:
    """Raise PasswordTooWeak unless a password that somebody chose for an account is good enough.

    `known` are words that it must not be made of, such as the account's name.
    """
    if len(password) > LONGEST:
        raise PasswordTooWeak(_TOO_LONG)
    if not password.isprintable():
        raise PasswordTooWeak(_NOT_TEXT)
    if len(password) < SHORTEST:
        raise PasswordTooWeak(_TOO_SHORT)
    words = [part for word in known for part in (word, *word.split("@"))]
    if not judge(password, words).is_enough:
        raise PasswordTooWeak(_GUESSED)


def _known(table: Sequence[tuple[re.Pattern[str], str]], texts: Sequence[str]) -> list[str]:
    found = []
    for text in filter(None, texts):
        fitting = (ours for pattern, ours in table if pattern.search(text))
        found.append(next(fitting, ""))
    return list(dict.fromkeys(filter(None, found)))
