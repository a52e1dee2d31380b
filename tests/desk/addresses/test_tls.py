"""Certificates of our own authority, given to a real server: good ones, and all that are not."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings as hypothesis_settings, strategies as st

from agentpg.db import (
    Database,
    completed,
    connect,
    database_of,
    environment_of,
    make_conninfo,
)
from agentpg.desk.finding import Finding
from agentpg.desk.hba.matching import Asked, first_of
from agentpg.desk.security.addresses.applying import apply, undo
from agentpg.desk.security.addresses.findings import find
from agentpg.desk.security.addresses.looking import look_at_addresses
from agentpg.desk.security.addresses.policy import policy_of
from agentpg.desk.security.addresses.proposing import Wanted, propose
from agentpg.desk.security.tls.installing import install, renew, take_back
from agentpg.desk.security.tls.making import make_authority, make_client, make_revoked, make_server
from agentpg.desk.security.tls.reading import read_certificate, read_revoked, shown_by
from agentpg.desk.security.tls.store import LASTS, Store
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.account import choose_account
from agentpg.errors import (
    AuthorityMissing,
    CertificateNameWrong,
    CertificateUnusable,
    ServerUnproved,
    TlsNotProved,
)
from agentpg.settings import Settings, load_settings
from tests.desk.backup.archived_server import DEBIAN, needs_debian
from tests.servers import OwnServers, Reaper
from tests.waiting import eventually

_NAMES = ("db.example", "localhost", "127.0.0.1")
_LINES = """\
hostssl all reporter 127.0.0.1/32 cert
host all stranger 0.0.0.0/0 trust
hostssl all guest 127.0.0.1/32 trust
hostssl all mapped 127.0.0.1/32 cert map=people
hostssl all careful 127.0.0.1/32 trust clientcert=verify-full
hostssl all all 127.0.0.1/32 scram-sha-256
hostnossl all postgres 127.0.0.1/32 scram-sha-256
"""

# The embedded server is built without TLS.
tls_server = [needs_debian, pytest.mark.one_server, pytest.mark.xdist_group("addresses-tls")]


@dataclass(frozen=True)
class Sealed:
    """A server with our certificate, and the authority."""

    server: EmbeddedServer
    home: Path

    @property
    def store(self) -> Store:
        return Store(self.home)

    @property
    def settings(self) -> Settings:
        return load_settings(home=self.home)

    @property
    def database(self) -> Database:
        return Database(self.server.dsn("postgres"))

    def come(self, role: str = "guest", **said: str) -> str:
        """Connect as a client that believes our authority alone; what is against it, or nothing."""
        believed = {"sslmode": "verify-full", "sslrootcert": str(self.store.authority)}
        by = {"host": "db.example", "hostaddr": "127.0.0.1", **believed, **said}
        try:
            psycopg.connect(self.server.dsn(role), **by).close()  # type: ignore[arg-type]
        except psycopg.OperationalError as error:
            return str(error)
        return ""

    def with_certificate(self, role: str) -> dict[str, str]:
        path = self.store.client(role)
        return {"sslcert": str(path), "sslkey": str(path.with_suffix(".key"))}

    def found(self, *codes: str) -> list[Finding]:
        said = find(look_at_addresses(self.database, self.settings), policy_of(self.settings))
        return [one for one in said if one.code in codes and one.level != "ok"]


@pytest.fixture(scope="module")
def sealed(reaper: Reaper, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    servers = OwnServers(tmp_path_factory.mktemp("sealed"), reaper)
    home = tmp_path_factory.mktemp("sealed-home") / "home"
    server = servers(home=home, pg_bin=str(DEBIAN), options={"listen_addresses": "*"})
    server.start()
    one = Sealed(server, home)
    one.store.create_authority("the tests")
    with connect(one.database) as connection:
        connection.execute(
            b"CREATE ROLE reporter LOGIN; CREATE ROLE stranger LOGIN; CREATE ROLE guest LOGIN;"
            b"CREATE ROLE mapped LOGIN; CREATE ROLE careful LOGIN"
        )
    (server.status().data / "pg_hba.conf").write_text(_LINES, encoding="utf-8")
    (server.status().data / "pg_ident.conf").write_text(
        "people somebody mapped\n", encoding="utf-8"
    )
    one.store.create_server(_NAMES)
    install(one.database, one.settings)
    yield one
    servers.close()


@pytest.mark.usefixtures("nobody_home")
class TestServer:
    """What a real server and real clients make of it."""

    pytestmark = tls_server

    def test_only_who_believes_the_authority_and_asks_for_the_name_gets_in(
        self, sealed: Sealed, tmp_path: Path
    ) -> None:
        assert sealed.come() == ""
        assert "does not match" in sealed.come(host="elsewhere.example")
        stranger = tmp_path / "other.crt"
        other = make_authority("another", datetime.now(UTC), LASTS)
        stranger.write_bytes(other.certificate_pem)
        assert "verify failed" in sealed.come(sslrootcert=str(stranger))
        assert "no encryption" in sealed.come(sslmode="disable")
        with connect(sealed.database) as connection:
            row = connection.execute(b"SHOW ssl_min_protocol_version").fetchone()
        assert row == ("TLSv1.2",)
        assert sealed.found("L10", "L11", "L12", "L13", "L16", "L17") == []
        key = sealed.server.status().data / "agentpg-server.key"
        assert key.stat().st_mode & 0o777 == 0o600
        assert key.stat().st_uid == key.parent.stat().st_uid

    def test_a_client_logs_in_by_certificate_until_it_is_revoked(self, sealed: Sealed) -> None:
        sealed.store.create_client("reporter")
        mine = sealed.with_certificate("reporter")
        assert sealed.come("reporter", **mine) == ""
        assert "certificate" in sealed.come("reporter")
        sealed.store.create_client("somebody")
        assert "reporter" in sealed.come("reporter", **sealed.with_certificate("somebody"))
        sealed.store.create_client("reporter", timedelta(days=-1))
        assert "expired" in sealed.come("reporter", **mine)
        sealed.store.create_client("reporter")
        sealed.store.revoke(sealed.store.client("reporter"))
        assert sealed.come("reporter", **mine) == ""
        install(sealed.database, sealed.settings)
        eventually(lambda: "revoked" in sealed.come("reporter", **mine), 10)
        # A server's certificate that is revoked is for clients that have the list to refuse.
        assert sealed.come(sslcrl=str(sealed.store.revoked)) == ""
        sealed.store.revoke(sealed.store.server)
        assert "verify failed" in sealed.come(sslcrl=str(sealed.store.revoked))

    def test_a_certificate_of_another_authority_is_nobodys(
        self, sealed: Sealed, tmp_path: Path
    ) -> None:
        now = datetime.now(UTC)
        forged = make_client(make_authority("the tests", now, LASTS), "reporter", now, LASTS)
        certificate, key = tmp_path / "forged.crt", tmp_path / "forged.key"
        certificate.write_bytes(forged.certificate_pem)
        key.write_bytes(forged.key_pem)
        key.chmod(0o600)
        said = sealed.come("reporter", sslcert=str(certificate), sslkey=str(key))
        assert "unknown ca" in said

    def test_a_certificate_may_be_asked_for_beside_a_proof_and_be_for_another_name(
        self, sealed: Sealed
    ) -> None:
        for role in ("careful", "somebody"):
            sealed.store.create_client(role)
        assert sealed.come("careful", **sealed.with_certificate("careful")) == ""
        assert sealed.come("mapped", **sealed.with_certificate("somebody")) == ""
        for role, shown in (("careful", "somebody"), ("mapped", "careful")):
            assert "FATAL" in sealed.come(role, **sealed.with_certificate(shown))
            assert "FATAL" in sealed.come(role)

    def test_a_role_may_be_let_in_by_certificate_alone(self, sealed: Sealed) -> None:
        facts = look_at_addresses(sealed.database, sealed.settings)
        wanted = Wanted(networks=("10.0.5.0/24",), certificates=("stranger",))
        made = propose(facts, wanted)

        def method(address: str, *, tls: bool) -> str:
            asked = Asked(user="stranger", database="postgres", address=address, tls=tls)
            return first_of(made.lines, replace(asked, known=facts.known)).method

        assert method("10.0.5.9", tls=True) == "cert"
        assert method("10.0.5.9", tls=False) == "reject"
        assert method("10.9.9.9", tls=True) == "reject"
        assert method("127.0.0.1", tls=False) == "scram-sha-256", "it got in from here before"
        apply(facts, sealed.database, sealed.settings, made.text)
        [path] = [facts.hba] if isinstance(facts.hba, Path) else []
        undo(path, sealed.settings)
        assert path.read_text(encoding="utf-8") == _LINES

    def test_we_ask_whoever_is_elsewhere_to_prove_it(self, sealed: Sealed) -> None:
        here = _address()
        dsn = make_conninfo(sealed.server.dsn("stranger", "postgres"), host=here)
        with pytest.raises(ServerUnproved, match="does not prove"):
            connect(database_of(dsn, sealed.settings))
        lax = load_settings(home=sealed.home, sslmode="prefer")
        connect(database_of(dsn, lax)).close()
        sealed.store.create_server([*_NAMES, here])
        install(sealed.database, sealed.settings)
        proved = database_of(dsn, sealed.settings)
        sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        with connect(proved) as connection:
            assert connection.execute(sql.encode()).fetchone() == (True,)
        done = subprocess.run(
            [DEBIAN / "psql", "-XAtc", sql],
            env=environment_of(completed(proved.dsn)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout.strip(), done.stderr) == ("t", "")
        sealed.store.create_server(_NAMES)
        install(sealed.database, sealed.settings)

    def test_renewing_ends_no_session_and_is_proved(self, sealed: Sealed) -> None:
        before = shown_by(sealed.database).serial
        with connect(sealed.database) as connection:
            made = renew(sealed.database, sealed.settings, LASTS)
            assert connection.execute(b"SELECT 1").fetchone() == (1,)
        assert made.serial == shown_by(sealed.database).serial != before
        assert set(made.names) == set(_NAMES)

    def test_what_the_server_cannot_show_is_taken_back(self, sealed: Sealed) -> None:
        good = sealed.store.load(sealed.store.server)
        before = shown_by(sealed.database).serial
        sealed.store.create_server(_NAMES, timedelta(days=-1))
        try:
            with pytest.raises(TlsNotProved, match="expired"):
                install(sealed.database, sealed.settings)
        finally:
            sealed.store.restore_server(good)
        eventually(lambda: shown_by(sealed.database).serial == before, 10)
        assert sealed.come() == ""

    def test_what_ends_and_what_is_worth_nothing_is_found(self, sealed: Sealed) -> None:
        renew(sealed.database, sealed.settings, timedelta(days=20))
        assert [one.level for one in sealed.found("L12")] == ["warning"]
        renew(sealed.database, sealed.settings, timedelta(days=2))
        assert [one.level for one in sealed.found("L12")] == ["critical"]
        renew(sealed.database, sealed.settings, LASTS)
        assert sealed.found("L12") == []

    def test_an_old_version_of_tls_is_found(self, sealed: Sealed) -> None:
        try:
            _set(sealed, "ssl_min_protocol_version", "TLSv1")
            [found] = eventually(lambda: sealed.found("L11"), 10)
            assert (found.level, found.evidence["version"]) == ("warning", "TLSv1")
        finally:
            _set(sealed, "ssl_min_protocol_version", "TLSv1.2")
        eventually(lambda: sealed.found("L11") == [], 10)

    def test_a_certificate_that_was_signed_by_itself_is_found(self, sealed: Sealed) -> None:
        former = _show(sealed, "ssl_cert_file"), _show(sealed, "ssl_key_file")
        _own(sealed, "lonely", _lonely())
        try:
            _set(sealed, "ssl_cert_file", "lonely.crt", ssl_key_file="lonely.key")
            said = eventually(lambda: sealed.found("L13"), 10)
            assert [one.level for one in said] == ["warning"]
            assert "signed by itself" in said[0].message()
            assert "verify failed" in sealed.come()
        finally:
            _set(sealed, "ssl_cert_file", former[0], ssl_key_file=former[1])
        eventually(lambda: sealed.found("L13") == [], 10)
        eventually(lambda: sealed.come() == "", 10)

    def test_a_list_of_revoked_certificates_that_ends_is_found(self, sealed: Sealed) -> None:
        path = sealed.server.status().data / _show(sealed, "ssl_crl_file")
        former = path.read_bytes()
        authority = sealed.store.load(sealed.store.authority)
        for lasts, level in ((timedelta(days=20), "warning"), (timedelta(days=2), "critical")):
            path.write_bytes(make_revoked(authority, {}, datetime.now(UTC), lasts))
            assert [one.level for one in sealed.found("L16")] == [level]
        path.write_bytes(make_revoked(authority, {}, datetime(2020, 1, 1, tzinfo=UTC), LASTS))
        [found] = sealed.found("L16")
        assert "has ended" in found.message()
        path.write_bytes(former)
        assert sealed.found("L16") == []

    def test_a_key_that_others_may_read_is_found(self, sealed: Sealed) -> None:
        key = sealed.server.status().data / _show(sealed, "ssl_key_file")
        key.chmod(0o644)
        try:
            [found] = sealed.found("L17")
            assert (found.level, found.evidence["mode"]) == ("critical", "0644")
        finally:
            key.chmod(0o600)
        assert sealed.found("L17") == []

    def test_a_way_of_our_own_that_anybody_can_answer_is_found(self, sealed: Sealed) -> None:
        here = _address()
        dsn = f"{sealed.server.dsn('stranger', 'postgres')} hostaddr={here}"
        for mode, said in (("prefer", ["L15"]), ("verify-full", [])):
            settings = load_settings(home=sealed.home, dsn_backup=f"{dsn} sslmode={mode}")
            found = find(look_at_addresses(sealed.database, settings), policy_of(settings))
            bad = [one for one in found if one.code == "L15" and one.level != "ok"]
            assert [one.code for one in bad] == said
            assert all((one.subject) == "AGENTPG_DSN_BACKUP" for one in bad)

    def test_sessions_without_encryption_are_found(self, sealed: Sealed) -> None:
        here = _address()
        dsn = sealed.server.dsn("stranger", "postgres")
        plain = psycopg.connect(dsn, host=here, sslmode="disable", application_name="lax")
        try:
            [found] = sealed.found("L14")
            assert (found.evidence["address"], found.evidence["application"]) == (here, "lax")
        finally:
            plain.close()
        eventually(lambda: sealed.found("L14") == [], 10)

    def test_the_former_settings_come_back(self, sealed: Sealed) -> None:
        take_back(sealed.database, sealed.settings)
        eventually(lambda: [one.code for one in sealed.found("L10")] == ["L10"], 10)
        install(sealed.database, sealed.settings)
        assert sealed.come() == ""


def _address() -> str:
    """An address of this machine that is not its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


def _show(sealed: Sealed, name: str) -> str:
    with connect(sealed.database) as connection:
        row = connection.execute(f"SHOW {name}".encode()).fetchone()
    assert row is not None
    return str(row[0])


def _set(sealed: Sealed, name: str, value: str, **more: str) -> None:
    with connect(sealed.database) as connection:
        for one, said in {name: value, **more}.items():
            connection.execute(f"ALTER SYSTEM SET {one} = '{said}'".encode())
        connection.execute(b"SELECT pg_reload_conf()")


def _own(sealed: Sealed, name: str, made: tuple[bytes, bytes]) -> None:
    """Give the server a certificate and its key, in its folder."""
    data = sealed.server.status().data
    for ending, content in zip(("crt", "key"), made, strict=True):
        path = data / f"{name}.{ending}"
        path.write_bytes(content)
        path.chmod(0o600)
        choose_account(data).own(path)


def _lonely() -> tuple[bytes, bytes]:
    """A certificate as packages make them: for no name, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "snakeoil")])
    begins = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + LASTS)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


@pytest.fixture
def nobody_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No root certificate of the developer reaches a test."""
    monkeypatch.setenv("HOME", str(tmp_path))


_HOSTILE = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        ["", " ", "a" * 64, "a" * 254, "*.example", "db_1", "가.example", "a\0b", "a\nb", "\ud800"]
    ),
    st.ip_addresses().map(str),
)


@pytest.mark.without_server
@hypothesis_settings(max_examples=120, deadline=None, database=None, derandomize=True)
@given(name=_HOSTILE)
def test_a_certificate_is_for_the_name_or_says_why_not(name: str) -> None:
    now = datetime.now(UTC)
    authority = make_authority("the tests", now, LASTS)
    with suppress(CertificateNameWrong):
        make_server(authority, [name], now, LASTS)
    with suppress(CertificateNameWrong):
        make_client(authority, name, now, LASTS)
    path = Store(Path("/nonexistent")).client(name) if name.isprintable() else Path("x")
    assert path.parent in (Path("/nonexistent/tls/clients"), Path())


@pytest.mark.without_server
@hypothesis_settings(max_examples=120, deadline=None, database=None, derandomize=True)
@given(content=st.binary(max_size=400), cut=st.integers(0, 900))
def test_what_is_no_certificate_is_said_so(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cut: int
) -> None:
    folder = Path(tmp_path_factory.getbasetemp()) / "broken"
    folder.mkdir(exist_ok=True)
    good = make_authority("the tests", datetime.now(UTC), LASTS).certificate_pem
    file = folder / "one.crt"
    for bytes_of in (content, good[:cut], good[: cut // 2] + content + good[cut // 2 :]):
        file.write_bytes(bytes_of)
        with suppress(CertificateUnusable):
            read_certificate(file)
        with suppress(CertificateUnusable):
            read_revoked(file)


@pytest.mark.without_server
def test_keys_are_closed_and_nothing_is_made_without_an_authority(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(AuthorityMissing):
        store.create_server(["db.example"])
    store.create_authority("the tests")
    store.create_server(["db.example"])
    store.create_client("../../etc/kim")
    keys = [*store.folder.rglob("*.key")]
    assert len(keys) == 3
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    assert {key.parent.name for key in keys} == {"tls", "clients"}
