"""One server with everything wrong that an audit can find, for all tests of this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.embedded import EmbeddedServer
from agentpg.schema import migrate
from tests.servers import Mould, OwnServers, Reaper
from tests.waiting import eventually

HBA = """\
local   all          all                               scram-sha-256
host    all          all          127.0.0.1/32         scram-sha-256
hostssl agentic_ai   agent        10.1.0.0/16          scram-sha-256
host    agentic_ai   nobody       10.2.0.0/16          trust
host    agentic_ai   agent        10.3.0.0/16          password
host    agentic_ai   old          192.168.1.0/24       md5
host    agentic_ai   agent        192.168.2.0/24       ident
host    all          all          10.0.0.0/8           scram-sha-256
host    replication  all          10.4.0.0/16          scram-sha-256
host    all          +staff       0.0.0.0/0            scram-sha-256
host    agentic_ai   agent        10.1.2.0/24          reject
"""

IDENT = "staff  /^(.*)$  postgres\n"

# Each is a fault of its own; what undoes it stands beside what finds it in the tests.
FAULTS = (
    "CREATE ROLE staff NOLOGIN",
    "CREATE ROLE boss SUPERUSER LOGIN IN ROLE staff PASSWORD 'boss'",
    "CREATE ROLE maker CREATEROLE CREATEDB BYPASSRLS LOGIN",
    "CREATE ROLE old LOGIN VALID UNTIL '2026-01-01'",
    "UPDATE pg_authid SET rolpassword = 'md5' || md5('x') WHERE rolname = 'old'",
    "CREATE ROLE runner LOGIN; GRANT pg_execute_server_program TO staff; GRANT staff TO runner",
    "CREATE ROLE agent LOGIN CONNECTION LIMIT 5",
    "GRANT CREATE ON SCHEMA public TO PUBLIC",
    "GRANT CREATE ON SCHEMA agentic_ai TO agent",
    "CREATE TABLE agentic_ai.open (id int, api_token text)",
    "GRANT SELECT, UPDATE ON agentic_ai.open TO PUBLIC",
    "GRANT SELECT ON agentic_ai.tasks TO agent WITH GRANT OPTION",
    "ALTER DEFAULT PRIVILEGES FOR ROLE admin GRANT SELECT ON TABLES TO PUBLIC",
    "CREATE FUNCTION agentic_ai.loose() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    "CREATE TABLE agentic_ai.guarded (id int)",
    "ALTER TABLE agentic_ai.guarded ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY anything ON agentic_ai.guarded USING (true)",
    "CREATE TABLE agentic_ai.unguarded (id int)",
    "CREATE POLICY unused ON agentic_ai.unguarded USING (id = 1)",
    "CREATE VIEW agentic_ai.window AS SELECT * FROM agentic_ai.guarded",
    "CREATE EXTENSION dblink",
    "ALTER ROLE agent SET session_replication_role = 'replica'",
    "GRANT ALTER SYSTEM ON PARAMETER archive_command TO agent",
    "INSERT INTO agentic_ai.users (username, password_hash, adopted) VALUES ('kim', 'kim', true)",
)

OPTIONS = {
    "listen_addresses": "*",
    "password_encryption": "md5",
    "authentication_timeout": "120s",
    "allow_system_table_mods": "on",
    "log_connections": "off",
    "log_line_prefix": "%m ",
    "log_file_mode": "0644",
    "log_statement": "all",
    "unix_socket_permissions": "0777",
    "zero_damaged_pages": "on",
}


@pytest.fixture(scope="session")
def faulty_home(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[EmbeddedServer, Path]]:
    """The server and its home; a test leaves both as they were."""
    servers = OwnServers(tmp_path_factory.mktemp("insecure"), reaper, mould)
    server = servers(options=OPTIONS)
    server.start()
    data = server.status().data
    (data / "pg_hba.conf").write_text(HBA, encoding="utf-8")
    (data / "pg_ident.conf").write_text(IDENT, encoding="utf-8")
    migrate(Database(server.dsn()))
    with connect(Database(server.dsn("postgres"))) as connection:
        for fault in FAULTS:
            connection.execute(fault.encode())
    yield server, data.parent.parent
    servers.close()


@pytest.fixture
def reloaded(faulty_home: tuple[EmbeddedServer, Path]) -> Database:
    """The database as its superuser, once the server has read its files."""
    database = Database(faulty_home[0].dsn("postgres"))
    with connect(database) as connection:
        before = connection.execute("SELECT pg_conf_load_time()").fetchone()
        connection.execute("SELECT pg_reload_conf()")
        eventually(lambda: connection.execute("SELECT pg_conf_load_time()").fetchone() != before)
    return database
