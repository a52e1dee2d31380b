"""No literal that its name calls a secret is left, whatever its form, whole or cut."""

from __future__ import annotations

import pytest

from agentpg.desk.redacting import redact

pytestmark = pytest.mark.without_server


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER ROLE a PASSWORD 'it''s hunter2'",
        r"ALTER ROLE a PASSWORD E'abc\'hunter2'",
        r"ALTER ROLE a PASSWORD e'abc\\\'hunter2",
        r"ALTER ROLE a PASSWORD U&'\0068 hunter2'",
        "ALTER ROLE a PASSWORD/* '*/'hunter2'",
        "ALTER ROLE a PASSWORD -- it's\n 'hunter2'",
        "ALTER ROLE a PASSWORD 'abc'\n'hunter2'",
        "ALTER ROLE a ENCRYPTED PASSWORD $$hun'hunter2$$",
        "ALTER ROLE a PASSWORD $x$ $y$ hunter2",
        "ALTER USER MAPPING FOR a SERVER b OPTIONS (SET \"password\" 'hunter2')",
        "CREATE USER MAPPING FOR a SERVER b OPTIONS (user 'u', password 'x hunter2')",
        "CREATE SUBSCRIPTION s CONNECTION 'host=a password=hunter2' PUBLICATION p",
        "SELECT dblink('postgresql://u:hunter2@host/db')",
        "Index Cond: (token = 'hunter2'::text)",
        "Index Cond: ((api_key)::text = 'hunter2'::text)",
    ],
)
def test_a_secret_is_hidden(statement: str) -> None:
    assert "hunter2" not in redact(statement)
    assert redact(statement).startswith(statement[:10])


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'hunter2' FROM users WHERE name = 'a'",
        'FATAL:  password authentication failed for user "app"',
        "Index Cond: (id = 'a'::uuid)",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text
