"""An audit of a real server with everything wrong, and of one as we make it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.finding import Finding
from agentpg.desk.security.audit.findings import CHECKS, find
from agentpg.desk.security.audit.looking import look_at_security
from agentpg.desk.security.audit.policy import Policy
from agentpg.embedded import EmbeddedServer
from agentpg.settings import load_settings
from tests.servers import SharedServer

PG_DIAG = shutil.which("pg-diag") or ""

# What each fault is found by: the check, the level and the subject.
EXPECTED = {
    ("A02", "critical", "line 4"),
    ("A03", "critical", "line 5"),
    ("A04", "warning", "line 6"),
    ("A05", "critical", "line 7"),
    ("A06", "warning", "line 8"),
    ("A07", "warning", "line 10"),
    ("A08", "warning", "line 8"),
    ("A09", "warning", "line 8"),
    ("A10", "critical", "boss"),
    ("A11", "warning", "line 11"),
    ("A12", "warning", "line 9"),
    ("A14", "warning", ""),
    ("A15", "warning", "old"),
    ("A16", "warning", "old"),
    ("A18", "warning", ""),
    ("A19", "info", ""),
    ("A20", "info", ""),
    ("A21", "info", ""),
    ("A22", "critical", "boss"),
    ("A23", "warning", "boss"),
    ("A24", "warning", "maker"),
    ("A25", "warning", "runner"),
    ("A26", "warning", "agent"),
    ("A27", "warning", "public"),
    ("A28", "info", "agentic_ai"),
    ("A29", "warning", "agentic_ai.open"),
    ("A30", "warning", "admin"),
    ("A31", "info", "agent"),
    ("A32", "info", "agent"),
    ("A33", "info", "agentic_ai"),
    ("A34", "critical", "agentic_ai.loose()"),
    ("A35", "warning", 'agentic_ai."window"'),
    ("A36", "warning", "agentic_ai.guarded"),
    ("A36", "warning", "agentic_ai.unguarded"),
    ("A37", "info", "dblink"),
    ("A38", "critical", "agentic_ai.users"),
    ("A38", "warning", "agentic_ai.open.api_token"),
    ("A39", "critical", ""),
    ("A43", "info", ""),
    ("A44", "info", "socket"),
    ("A45", "warning", "log_connections"),
    ("A45", "warning", "log_line_prefix"),
    ("A48", "info", "log_statement"),
    ("A49", "warning", ""),
    ("A50", "warning", "allow_system_table_mods"),
    ("A50", "warning", "zero_damaged_pages"),
    ("A51", "warning", "1"),
    ("A52", "warning", "agent"),
    ("A55", "info", ""),
    ("A56", "warning", "agent"),
}

# What an oracle calls high, by the checks of ours that find the same. What it looks at beside the
# server, such as this test's own variables, is for `security env`.
SAME = {
    "auth_timeout_delay": {"A18", "A19"},
    "default_privileges_public_grants": {"A30"},
    "direct_user_grants": {"A32"},
    "excessive_dml_privileges": {"A29"},
    "function_execute_privileges": {"A34", "A29"},
    "grant_option_holders": {"A31"},
    "hba_rules": {"A02"},
    "installed_risky_extensions": {"A37"},
    "listen_addresses_exposure": {"A43"},
    "log_file_permissions": {"A44", "A49"},
    "non_public_schema_privileges": {"A26", "A27"},
    "object_acl_drift": {"A29", "A32"},
    "object_owner_drift": {"A33"},
    "parameter_privileges": {"A56"},
    "password_complexity": {"A20"},
    "password_encryption": {"A14"},
    "pg_hba_broad_network_ranges": {"A07", "A08"},
    "pg_hba_generic_database_or_user": {"A09"},
    "pg_hba_insecure_auth_methods": {"A02", "A03", "A04", "A05"},
    "pg_hba_tls_enforcement": {"A06"},
    "pgdata_permissions": {"A44"},
    "postgres_config_file_permissions": {"A44"},
    "predefined_admin_role_membership": {"A25"},
    "privilege_surface_by_role": {"A23", "A24", "A32"},
    "privileged_login_roles": {"A23", "A24"},
    "privileged_roles": {"A23", "A24"},
    "public_schema_privileges": {"A27"},
    "remote_superuser_access": {"A10"},
    "replication_roles": {"A24"},
    "rls_configuration": {"A36"},
    "rls_table_privilege_mismatch": {"A36"},
    "role_password_hashes": {"A15"},
    "schema_privilege_matrix": {"A26", "A27"},
    "security_definer_functions": {"A34"},
    "security_definer_owner_drift": {"A34"},
    "security_logging_settings": {"A45"},
    "superuser_owned_user_objects": {"A33"},
    "tls_server_configuration": {"A39"},
    "unix_socket_permissions": {"A44"},
    "weak_tls_ciphers": {"A40"},
}

Look = Callable[[], list[Finding]]


@pytest.fixture
def look(faulty_home: tuple[EmbeddedServer, Path], reloaded: Database) -> Look:
    """What an audit of the faulty server says now."""
    settings = load_settings(home=faulty_home[1])

    def looking() -> list[Finding]:
        return list(find(look_at_security(Database(reloaded.dsn), settings), Policy()))

    return looking


def said(findings: list[Finding]) -> set[tuple[str, str, str]]:
    """What is not well."""
    return {(one.code, one.level, one.subject) for one in findings if one.level != "ok"}


def test_every_fault_is_found(look: Look) -> None:
    found = look()
    assert EXPECTED - said(found) == set()
    assert [one.message() for one in found if one.level == "unknown"] == []
    assert {one.code for one in found} == {check.code for check in CHECKS}


def test_every_remedy_helps_and_can_be_taken_back(look: Look, reloaded: Database) -> None:
    before = look()
    mended = [
        (one, remedy)
        for one in before
        for remedy in one.remedies[:1]
        if remedy.sql and remedy.undo and not _restarts(one)
    ]
    assert len(mended) > 15
    with connect(reloaded) as connection:
        for _, remedy in mended:
            for statement in remedy.sql.split("; "):
                connection.execute(statement.encode())
        after = said(look())
        assert [one.code for one, _ in mended if (one.code, one.level, one.subject) in after] == []
        for _, remedy in reversed(mended):
            for statement in remedy.undo.split("; "):
                connection.execute(statement.encode())
    assert said(look()) == said(before)


def _restarts(finding: Finding) -> bool:
    """What no reload changes, or what would end the test's own way in."""
    return finding.code in ("A39", "A43") or finding.subject in (
        "socket",
        "allow_system_table_mods",
        "boss",
    )


def test_who_may_not_look_is_told_what_to_grant(
    faulty_home: tuple[EmbeddedServer, Path], reloaded: Database
) -> None:
    as_owner = Database(faulty_home[0].dsn("admin"))
    unknown = _unknown(as_owner)
    assert {"A01", "A10", "A13", "A15", "A41"} <= unknown.keys()
    assert any("GRANT SELECT ON pg_hba_file_rules" in r.sql for r in unknown["A01"].remedies)
    grants = {r.sql for one in unknown.values() for r in one.remedies if r.sql}
    with connect(reloaded) as connection:
        for grant in sorted(grants):
            for statement in grant.split("; "):
                connection.execute(statement.encode())
    try:
        left = _unknown(as_owner)
        assert "A01" not in left
        assert "A41" not in left
        assert left.keys() <= {"A15", "A22", "A44", "A46", "A54"}, "those take a superuser"
    finally:
        with connect(reloaded) as connection:
            for statement in (
                "REVOKE pg_monitor FROM admin",
                "REVOKE ALL ON pg_hba_file_rules, pg_ident_file_mappings FROM admin",
                "REVOKE ALL ON FUNCTION pg_hba_file_rules(), pg_ident_file_mappings(), "
                "pg_stat_file(text) FROM admin",
            ):
                connection.execute(statement.encode())


def _unknown(database: Database) -> dict[str, Finding]:
    found = find(look_at_security(database, load_settings()), Policy())
    return {one.code: one for one in found if one.level == "unknown"}


def test_our_own_server_has_nothing_above_info(shared_server: SharedServer) -> None:
    home = shared_server.server.status().data.parent.parent
    database = Database(shared_server.server.dsn(database="postgres"))
    found = find(look_at_security(database, load_settings(home=home)), Policy())
    above = [one for one in found if one.level not in ("ok", "info")]
    assert [(one.code, one.message()) for one in above] == []


def test_no_verifier_or_password_is_in_what_is_said(look: Look) -> None:
    text = json.dumps([one.document() for one in look()], default=str)
    assert "SCRAM-SHA-256$" not in text
    assert "md5" + "0" * 3 not in text


@pytest.mark.one_server
@pytest.mark.skipif(not PG_DIAG, reason="pg-diag is not installed")
def test_the_oracle_finds_nothing_critical_that_we_do_not(
    look: Look, reloaded: Database, tmp_path: Path
) -> None:
    ours = {code for code, _, _ in said(look())}
    high = list(_high_by_oracle(reloaded, tmp_path / "oracle.json"))
    assert len(high) > 5, "it has looked"
    assert [item for item in high if not SAME[item] & ours] == []


def _high_by_oracle(database: Database, path: Path) -> Iterator[str]:
    host, port = database.address()
    passwords = Path(dict(p.split("=", 1) for p in database.dsn.split())["passfile"].strip("'"))
    word = next(
        line.split(":")[4]
        for line in passwords.read_text(encoding="utf-8").splitlines()
        if line.split(":")[0] == host and line.split(":")[3] == "postgres"
    )
    command = [PG_DIAG, "one-shot", "--host", host, "--port", str(port), "--user", "postgres"]
    command += ["--database", "agentic_ai", "--collection-mode", "local", "--tags", "Security"]
    command += ["--output-format", "json", "--json-out", str(path), "--disable-ddl", "--strip-meta"]
    # It ends with 1 where one item failed, such as a process that went away; the report is there.
    subprocess.run(
        command, env={"PGPASSWORD": word}, cwd=path.parent, check=False, capture_output=True
    )
    for item in _items(json.loads(path.read_text(encoding="utf-8"))):
        section, key = str(item["item_id"]).split(".", 1)
        # What lies around the server is looked at by `security env`, on the machine's own terms.
        if item["severity_level"] == "high" and section != "os":
            yield key


def _items(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        if "severity_level" in value and "item_id" in value:
            yield value
        for inner in value.values():
            yield from _items(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _items(inner)
