"""What keeps the two sides from agreeing on TLS, with real certificates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from agentpg.embedded.account import choose_account
from tests.desk.backup.archived_server import DEBIAN, needs_debian
from tests.desk.doctor.faulty import HBA, Faulty, becomes, cause_of, looked_at
from tests.servers import Mould, OwnServers, Reaper

pytestmark = [needs_debian, pytest.mark.one_server, pytest.mark.xdist_group("connection")]

# The embedded server is built without TLS.
_LINES = """\
hostssl all sealed 127.0.0.1/32 trust
hostssl all certified 127.0.0.1/32 trust clientcert=verify-ca
hostnossl all open 127.0.0.1/32 trust
"""


class Tls(Faulty):
    """A server with TLS, its authority, and what clients need."""

    def __init__(self, faulty: OwnServers, folder: Path) -> None:
        super().__init__(faulty(pg_bin=str(DEBIAN)))
        self.authority = trustme.CA()
        self.root, self.other = folder / "root.crt", folder / "other.crt"
        self.authority.cert_pem.write_to_path(str(self.root))
        trustme.CA().cert_pem.write_to_path(str(self.other))
        self.certificate, self.key = folder / "me.crt", folder / "me.key"
        mine = self.authority.issue_cert("me.example", common_name="certified")
        mine.cert_chain_pems[0].write_to_path(str(self.certificate))
        mine.private_key_pem.write_to_path(str(self.key))
        self.key.chmod(0o600)
        self.authority.cert_pem.write_to_path(str(self.data / "authority.crt"))
        choose_account(self.data).own(self.data / "authority.crt")
        self.show("db.example")
        self.run(
            "CREATE ROLE sealed LOGIN",
            "CREATE ROLE certified LOGIN",
            "CREATE ROLE open LOGIN",
            "ALTER SYSTEM SET ssl_ca_file = 'authority.crt'",
            "ALTER SYSTEM SET ssl = on",
        )
        self.let_in(_LINES + HBA)

    def show(self, *names: str, days: int = 100) -> None:
        """Have the server show a certificate for these names that ends in so many days."""
        now = datetime.now(UTC)
        made = self.authority.issue_cert(
            *names, not_before=now - timedelta(days=900), not_after=now + timedelta(days=days)
        )
        account = choose_account(self.data)
        for name, pem in (
            ("server.crt", made.cert_chain_pems[0]),
            ("server.key", made.private_key_pem),
        ):
            file = self.data / name
            pem.write_to_path(str(file))
            file.chmod(0o600)
            account.own(file)
        self.reload()

    def named(self, **said: str | int) -> str:
        """How to come here by the name in the certificate."""
        return self.dsn(
            **{
                "host": "db.example",
                "hostaddr": "127.0.0.1",
                "sslmode": "verify-full",
                "sslrootcert": str(self.root),
                **said,
            }
        )


@pytest.fixture(scope="module")
def tls(reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    """The server; a test leaves it as it was."""
    servers = OwnServers(tmp_path_factory.mktemp("tls"), reaper, mould)
    yield Tls(servers, tmp_path_factory.mktemp("certificates"))
    servers.close()


def test_one_comes_in_by_a_certificate_that_is_right(tls: Tls) -> None:
    facts, [finding] = looked_at(tls.named())
    assert finding.code == "C00", finding
    shown = facts.visits[0].tls
    assert shown is not None
    assert shown.certificate is not None
    assert shown.certificate.names == ("db.example",)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("C15", {"user": "sealed", "sslmode": "disable"}),
        ("C17", {"sslrootcert": "other"}),
        ("C17", {"sslrootcert": "/nonexistent"}),
        ("C18", {"host": "elsewhere.example"}),
        ("C20", {"user": "certified"}),
        ("C22", {"user": "open"}),
    ],
)
def test_each_way_not_to_agree_has_its_own_cause(tls: Tls, code: str, said: dict[str, str]) -> None:
    if said.get("sslrootcert") == "other":
        said = {"sslrootcert": str(tls.other)}
    finding = cause_of(tls.named(**said))
    assert (finding.code, finding.level) == (code, "critical"), finding


def test_with_prefer_it_goes_on_without_tls_as_libpq_does(tls: Tls) -> None:
    assert cause_of(tls.dsn(user="open")).code == "C00"
    assert cause_of(tls.dsn(user="sealed")).code == "C00"


def test_a_client_s_key_must_be_closed_to_others(tls: Tls) -> None:
    said = {"user": "certified", "sslcert": str(tls.certificate), "sslkey": str(tls.key)}
    assert cause_of(tls.named(**said)).code == "C00"
    tls.key.chmod(0o644)
    try:
        finding = cause_of(tls.named(**said))
    finally:
        tls.key.chmod(0o600)
    assert (finding.code, finding.evidence["mode"]) == ("C19", "0644")
    assert finding.remedies[0].command == f"chmod 600 {tls.key}"
    finding = cause_of(tls.named(**{**said, "sslkey": str(tls.root)}))
    assert finding.code == "C19"


def test_a_certificate_ends(tls: Tls) -> None:
    try:
        tls.show("db.example", days=-2)
        finding = becomes("C16", tls.named())
        assert "ended on" in finding.message()
        tls.show("db.example", days=5)
        becomes("C00", tls.named())
        _, findings = looked_at(tls.named())
        assert [(one.code, one.level) for one in findings] == [("C00", "ok"), ("C16", "info")]
    finally:
        tls.show("db.example")
        becomes("C00", tls.named())


def test_a_server_with_tls_turned_off(tls: Tls) -> None:
    tls.run("ALTER SYSTEM SET ssl = off")
    tls.reload()
    try:
        becomes("C14", tls.named())
    finally:
        tls.run("ALTER SYSTEM SET ssl = on")
        tls.reload()
        becomes("C00", tls.named())
