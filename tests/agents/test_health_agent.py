"""HealthAgent through the engine: it looks, and people get mail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from agentpg.agents.health_agent import health_app
from tests.desk.ended import change
from tests.mail_standin import PASSWORD, USER, MailServer, mail_server
from tests.tasks.engine import Engine
from tests.waiting import eventually

LOOK = ("HealthAgent", "look")


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[tuple[MailServer, Path]]:
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    trusted, certificate, key = (tmp_path / f"{name}.pem" for name in ("ca", "cert", "key"))
    authority.cert_pem.write_to_path(str(trusted))
    made.cert_chain_pems[0].write_to_path(str(certificate))
    made.private_key_pem.write_to_path(str(key))
    with mail_server(tmp_path / "mails", certificate, key) as server:
        yield server, trusted


def test_what_is_wrong_comes_as_mail(
    engine: Engine, tmp_path: Path, mails: tuple[MailServer, Path]
) -> None:
    server, trusted = mails
    engine.work(
        health_app(),
        concurrency=2,
        dsn_monitor=engine.as_part("monitor").dsn,
        home=str(tmp_path / "home"),
        backup_repository=str(tmp_path / "backups"),
        notify_ops_email="ops@corp.internal",
        notify_smtp_port=str(server.starttls),
        notify_smtp_ca_file=str(trusted),
        notify_smtp_user=USER,
        notify_smtp_password=PASSWORD,
        notify_routes="backup=ops *=nobody",
        notify_ops_lang="ko",
    )
    looked = engine.run(*LOOK)
    assert looked.status == "completed", looked.error_message
    assert looked.result["told"] == {}
    change(engine.database, "UPDATE looks SET looked_at = now() - interval '1 hour'")
    second = engine.run(*LOOK)
    assert second.status == "completed", second.error_message
    [mail] = eventually(server.mails)
    assert " B01 " in mail["Subject"]
    body = mail.get_body(("plain",))
    assert body is not None
    assert "agentpg backup create" in body.get_content()


def test_without_its_own_dsn_it_does_nothing(engine: Engine, tmp_path: Path) -> None:
    engine.work(health_app(), home=str(tmp_path / "home"))
    task = engine.run(*LOOK)
    assert task.status == "failed"
    assert "AGENTPG_DSN_MONITOR is not set" in (task.error_message or "")
