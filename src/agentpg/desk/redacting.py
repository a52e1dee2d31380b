"""SQL that others wrote, as it may be shown: without passwords, keys and tokens."""

from __future__ import annotations

import re

from agentpg.redaction import SECRETS_ALONE
from agentpg.settings import hide_secrets

# What may be between a name and its literal: also comments, and what a plan adds to a column.
_BETWEEN = r"(?:[\s=)]|::\w+|--[^\n]*(?:\n|$)|/\*.*?(?:\*/|$))*"

# The end may be missing: the server cuts a long statement. Literals in a row are one.
_PLAIN = r"'(?:[^']|'')*(?:'|$)"
_ESCAPED = r"'(?:[^'\\]|\\.|'')*(?:'|\\?$)"
# A literal of any form; it has a group `tag`, so that a pattern takes it once.
LITERAL = (
    rf"(?:e{_ESCAPED}(?:\s+{_ESCAPED})*"
    rf"|(?:u&)?{_PLAIN}(?:\s+{_PLAIN})*"
    r"|(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?:(?P=tag)|$))"
)
_SECRET = re.compile(rf"(?is)((?:passw|secret|token|credential|api_?key)\w*\"?{_BETWEEN}){LITERAL}")


def redact(text: str) -> str:
    """The text with *** for each literal that its name calls a secret.

    Takes statements, plans and lines of a log, whole or cut; better too much is hidden than
    too little.

    >>> redact("ALTER ROLE admin PASSWORD /* new */ E'it\\\\'s'")
    'ALTER ROLE admin PASSWORD /* new */ ***'
    >>> redact('ALTER USER MAPPING FOR a SERVER b OPTIONS (SET "password" $x$s3cret$x$)')
    'ALTER USER MAPPING FOR a SERVER b OPTIONS (SET "password" ***)'
    >>> redact("Index Cond: ((token)::text = 'abc'::text)")
    'Index Cond: ((token)::text = ***::text)'
    """
    return SECRETS_ALONE.hide(hide_secrets(_SECRET.sub(r"\1***", text)))
