"""What attackers and bad luck put where a name, a number, a text or a file is wanted."""

from __future__ import annotations

from hypothesis import HealthCheck, settings, strategies as st

# The examples for one entry; a hundred at least, always the same ones.
HUNDRED = settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

_KNOWN = (
    "", " ", "\t", "\n", "\r\n", "\0", "a\0b", "\x1f", "a\x1fb", "\x1b[2J\x1b]0;owned\x07",
    "\ud800",
    "'", '"', "`", "\\", ";", "--", "/*", "$$", "$1", "%s", "%(name)s", "%", "%%", "{}", "{schema}",
    "'; DROP TABLE tasks; --", '"; DROP SCHEMA agentic_ai CASCADE; --', "' OR '1'='1",
    "$(touch owned)", "`touch owned`", "; touch owned", "| touch owned", "&& touch owned",
    "../../etc/passwd", "/etc/passwd", "/dev/null", "C:\\x", "~", "-", "--", "-x", "@",
    "@/etc/shadow", "--help", "--yes", "NaN", "inf", "1e999", "-1", "0", "9" * 400, "0x10", "1_000",
    "null", "true", "[]", "{}", "[" * 3000, '{"a":' * 500, '{"$sealed": "1t:k:AAAA"}', "{{7*7}}",
    "${7*7}", "<script>alert(1)</script>", "é" * 200, "가" * 101, "\u202e\u200b", "\U0001f600",
    "a" * 101, "a" * 5000, "postgresql://u:hunter2@[::1", "host=x password='hunter2",
    "postgresql://u:hunter2@h:99999/d?options=-c%20x", "AGENTPG_DSN=x", "1min; DROP", "30 parsecs",
    "* * * * *", "* * * * * *", "60 25 32 13 8", "*/0 * * * *", "@reboot", "0 0 31 2 *",
    "L L L L L",
    "00000000-0000-0000-0000-000000000000", "urn:uuid:x", "2026-13-45T99:99", "Asia/../../etc",
)  # fmt: skip

TEXT = st.one_of(
    st.sampled_from(_KNOWN),
    st.text(max_size=30),
    st.tuples(st.sampled_from(_KNOWN), st.text(max_size=10)).map("".join),
)

# What an operating system can give as an argument or a variable: no zero bytes.
ARGUMENT = TEXT.map(lambda text: text.replace("\0", "0").replace("\ud800", "?"))

JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), TEXT, st.binary(max_size=3),
        st.sampled_from([10**4000, float("nan"), float("inf"), -0.0, 1e308, object()]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(TEXT, st.integers()), inner, max_size=3),
    ),
    max_leaves=8,
)  # fmt: skip
