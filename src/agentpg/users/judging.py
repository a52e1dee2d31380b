"""Whether a password that somebody chose is good enough, by zxcvbn's estimate of the guesses."""

from __future__ import annotations

from zxcvbn import zxcvbn

from agentpg.errors import PasswordTooWeak
from agentpg.language import N_
from agentpg.users.passwords import LONGEST, composed

# NIST SP 800-63B-4, section 3.1.1.2: 15 characters where the password is the only proof.
SHORTEST = 15
# At least 10^10 guesses: safe from those who have the hashes.
_LEAST_SCORE = 4
# zxcvbn takes time by the square of the length; what is longer is judged by its beginning.
_JUDGED = 72

_TOO_SHORT = N_("it has fewer than 15 characters")
_TOO_LONG = N_("it has more than 256 characters")
_GUESSED = N_("it is guessed soon, since it is like others or like the name")
_NOT_TEXT = N_("it holds characters that are no text")


def judge(password: str, *known: str) -> None:
    """Raise PasswordTooWeak unless a password that somebody chose is good enough.

    `known` are words that it must not be made of, such as the account's name.
    """
    if len(password) > LONGEST:
        raise PasswordTooWeak(_TOO_LONG)
    if not password.isprintable():
        raise PasswordTooWeak(_NOT_TEXT)
    if len(password) < SHORTEST:
        raise PasswordTooWeak(_TOO_SHORT)
    words = [part for word in known for part in (word, *word.split("@"))]
    judged = zxcvbn(composed(password)[:_JUDGED], user_inputs=["agentpg", *words])
    if judged["score"] < _LEAST_SCORE:
        raise PasswordTooWeak(_GUESSED)
