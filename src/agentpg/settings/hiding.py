"""What settings say of sealing and of redaction: its form, checked as it is read."""

from __future__ import annotations

import re

from agentpg.language import N_

# The columns of a task that can be sealed, and the kinds of personal data that can be hidden.
SEALED_COLUMNS = ("payload", "result", "error", "log")
REDACTED_KINDS = ("email", "phone", "card", "iban", "rrn", "ip")

_COLUMN = "|".join(SEALED_COLUMNS)
# An agent or a type that is written so has no white space and none of the signs / and :.
_RULE = re.compile(rf"(?:\*|[^\s/:*]+(?:/[^\s/:]+)?)(?::(?:{_COLUMN})(?:,(?:{_COLUMN}))*)?")
_NO_RULE = N_(
    "it must be rules such as * or Billing Reports/weekly:payload,result; the columns are "
    "payload, result, error and log"
)
_NO_KIND = N_("the kinds are email, phone, card, iban, rrn and ip")


def parse_seal_rules(value: object) -> object:
    """Rules as AGENT[/TYPE][:COLUMNS] with spaces between them."""
    if not isinstance(value, str):
        return value
    rules = value.split()
    if not all(map(_RULE.fullmatch, rules)):
        raise ValueError(_NO_RULE)
    return " ".join(rules)


def parse_redact_names(value: object) -> object:
    """Kinds of personal data with spaces between them."""
    if not isinstance(value, str):
        return value
    names = value.replace(",", " ").split()
    if not set(names) <= set(REDACTED_KINDS):
        raise ValueError(_NO_KIND)
    return " ".join(names)
