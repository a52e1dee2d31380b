"""What must not be read by everybody, hidden in texts: passwords, keys and tokens always, personal
data and what else the settings name.

The rules for prose: error messages and log lines. Shell commands and SQL have stricter ones, in
`settings.hide_secrets` and `desk.redacting`.
"""

from __future__ import annotations

import ipaddress
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from agentpg.errors import RedactionWrong
from agentpg.language import N_
from agentpg.settings import Settings, hide_password

HIDDEN = "***"

_LARGEST_FILE = 64 * 1024

_MATCHES_NOTHING = N_("it matches the empty text")
_NOT_TEXT = N_("it is not a text file")
_TOO_LARGE = N_("it is too large for a file of expressions")

# Passwords, keys and tokens by their form.
_SECRETS = (
    # Private keys, whole or cut.
    (
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----"
            r"(?:(?:(?!-----).)*-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|.*)",
            re.DOTALL,
        ),
        HIDDEN,
    ),
    (re.compile(r"\bAGE-SECRET-KEY-1[0-9A-Z]+"), HIDDEN),
    # A key of sealed tasks as it stands in its file: 32 bytes in base64.
    (re.compile(r"(?<![\w-])([a-z0-9][a-z0-9._-]{0,39}:)[\w+/-]{43}=", re.ASCII), r"\1***"),
    # Keys as the providers make them: sk-…, gsk_…, xai-…, also when partly masked; and ours.
    (re.compile(r"\b(sk|gsk|xai|apg|gh[opsu]|github_pat)([-_])[\w*-]{6,}", re.ASCII), r"\1\2***"),
    # The same with beginnings that names have too, such as pk_customers: a key has a digit.
    (
        re.compile(
            r"\b(pk|rk|hf|key|npm|pypi|glpat|xox[a-z])([-_])(?=[a-zA-Z*_-]*\d)[\w*-]{12,}", re.ASCII
        ),
        r"\1\2***",
    ),
    (re.compile(r"\bAIza[\w-]{35}", re.ASCII), HIDDEN),
    # Tokens that are three parts of base64, and the name of an AWS key.
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?", re.ASCII), HIDDEN),
    (re.compile(r"\bA(?:KI|SI)A[0-9A-Z]{16}\b", re.ASCII), HIDDEN),
    # Verifiers of passwords: by these they can be guessed at home.
    (re.compile(r"\bSCRAM-SHA-256\$[\w+/=:$]+", re.ASCII), "SCRAM-SHA-256$***"),
    (re.compile(r"\$(argon2i?d?|2[aby]|scrypt)\$[\w+/=,.$]+", re.ASCII), r"$\1$***"),
    # A line of .pgpass: host, port, database, role and password.
    (
        re.compile(
            r"(?<![\w.:*-])([\w.*/-]{1,255}:(?:\d{1,5}|\*):[\w.*-]{1,63}:[\w.*-]{1,63}:)[^\s'\"]+",
            re.ASCII,
        ),
        r"\1***",
    ),
    # What a name in quotes calls a password, as in JSON and in a dict of Python.
    (
        re.compile(
            r"""(["']\w{0,40}passw\w{0,30}["']\s*:\s*)(?:"[^"]*"|'[^']*'|[^\s,}]+)""", re.IGNORECASE
        ),
        r"\1***",
    ),
    (re.compile(r"\b(Bearer|Basic)\s+[^\s'\",]+", re.IGNORECASE), r"\1 ***"),
    (
        re.compile(
            r"((?:x-)?api[-_ ]?key|authorization|secret(?:[-_]\w{1,40})?"
            r"|(?:access|refresh|auth|api|id|session|bearer)[-_]?token)"
            r"(['\"]?\s*[:=]\s*['\"]?)(?!Bearer|Basic)[^\s'\",&}]+",
            re.IGNORECASE,
        ),
        r"\1\2***",
    ),
)

Fits = Callable[[str], bool]


def _is_card(text: str) -> bool:
    """Whether the check digit (Luhn) is right."""
    digits = [int(sign) for sign in text if sign.isdigit()]
    doubled = [2 * d - 9 * (d > 4) for d in digits[-2::-2]]
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def _is_iban(text: str) -> bool:
    """Whether the check digits (ISO 7064) are right."""
    plain = text.replace(" ", "")
    number = "".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])
    return int(number) % 97 == 1


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _any(_: str) -> bool:
    return True


# Personal data by kind: how it looks, and what tells it from other digits.
_KINDS: dict[str, tuple[re.Pattern[str], Fits]] = {
    "email": (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), _any),
    "phone": (
        re.compile(
            r"(?<![\w.+-])(?:\+\d{1,3}[ -]?(?:\(\d{1,4}\)|\d{1,4})(?:[ -]?\d{2,4}){2,3}"
            r"|01[016-9][ -]?\d{3,4}[ -]?\d{4}|0\d{1,2}-\d{3,4}-\d{4})(?![\w-])",
            re.ASCII,
        ),
        _any,
    ),
    "card": (re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])", re.ASCII), _is_card),
    "iban": (
        re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", re.ASCII),
        _is_iban,
    ),
    "rrn": (re.compile(r"(?<!\d)\d{6}-?[1-8]\d{6}(?!\d)", re.ASCII), _any),
    "ip": (
        re.compile(
            r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})"
            r"(?![\w:])",
            re.ASCII,
        ),
        _is_address,
    ),
}


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is hidden beside secrets: kinds of personal data, values of these names, and what these
    expressions match; of an expression with a group `secret`, that group alone."""

    kinds: tuple[str, ...] = ()
    keys: tuple[re.Pattern[str], ...] = ()
    own: tuple[re.Pattern[str], ...] = ()

    def hide(self, text: str) -> str:
        """The text with *** for what is to be hidden."""
        text = hide_password(text)
        for pattern, shown in _SECRETS:
            text = pattern.sub(shown, text)
        for key in self.keys:
            text = key.sub(r"\1***", text)
        for kind in self.kinds:
            pattern, fits = _KINDS[kind]
            text = pattern.sub(lambda m, fits=fits: HIDDEN if fits(m[0]) else m[0], text)  # type: ignore[misc]
        for expression in self.own:
            text = expression.sub(_hide_match, text)
        return text


SECRETS_ALONE = Redaction()


def redaction_of(settings: Settings) -> Redaction:
    """What these settings have hidden. Raises RedactionWrong for a file that cannot be used.

    The file is read once by a process.
    """
    if not (settings.redact or settings.redact_keys or settings.redact_file):
        return SECRETS_ALONE
    return _made(settings.redact, settings.redact_keys, settings.redact_file)


@cache
def _made(kinds: str, keys: str, file: str) -> Redaction:
    own = _expressions(Path(file).expanduser()) if file else ()
    return Redaction(tuple(kinds.split()), tuple(map(_key, keys.replace(",", " ").split())), own)


def _key(name: str) -> re.Pattern[str]:
    """A name and what it gives its value, as in JSON, in a dict of Python, in name=value."""
    return re.compile(
        rf"""((?<![\w])["']?{re.escape(name)}["']?\s*[:=]\s*)(?:"[^"]*"|'[^']*'|[^\s,}}&;]+)""",
        re.IGNORECASE,
    )


def _expressions(path: Path) -> tuple[re.Pattern[str], ...]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise RedactionWrong(error.strerror or str(error), source=path) from None
    if len(content) > _LARGEST_FILE:
        raise RedactionWrong(_TOO_LARGE, source=path)
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise RedactionWrong(_NOT_TEXT, source=path) from None
    return tuple(
        _expression(line, f"{path}:{number}")
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith("#")
    )


def _expression(line: str, source: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            # Of signs that may mean something else in a later Python; here they do not.
            warnings.simplefilter("ignore", FutureWarning)
            expression = re.compile(line)
    except (re.error, RecursionError, OverflowError) as error:
        raise RedactionWrong(str(error), source=source) from None
    if expression.match(""):
        raise RedactionWrong(_MATCHES_NOTHING, source=source)
    return expression


def _hide_match(found: re.Match[str]) -> str:
    if "secret" not in found.re.groupindex:
        return HIDDEN
    start, end = found.span("secret")
    if start < 0:
        return found[0]
    whole, begin = found[0], found.start()
    return whole[: start - begin] + HIDDEN + whole[end - begin :]
