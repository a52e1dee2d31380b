"""Messages get to people by real servers, or it is said why not."""

from __future__ import annotations

import hashlib
import hmac
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from agentpg.errors import NotTold, NoWayToContact
from agentpg.notify.policy import policy_of
from agentpg.notify.sending import hand_over
from agentpg.settings import load_settings
from tests.hook_receiver import Receiver, receiver
from tests.mail_standin import PASSWORD, USER, MailServer, mail_server
from tests.notify.sample import a_condition, a_message, an_alert

pytestmark = pytest.mark.without_server


@dataclass(frozen=True, slots=True)
class Post:
    """A server for mail, and what its clients have to be told of it."""

    server: MailServer
    trusted: Path
    folder: Path

    def settings(self, **other: Any) -> dict[str, Any]:
        """With STARTTLS and a login."""
        return {
            "notify_smtp_host": "localhost",
            "notify_smtp_port": self.server.starttls,
            "notify_smtp_ca_file": str(self.trusted),
            "notify_smtp_user": USER,
            "notify_smtp_password": PASSWORD,
            "notify_timeout": "5s",
            "notify_ops_email": "ops@corp.internal, night@corp.internal",
            **other,
        }


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    folder = tmp_path_factory.mktemp("post")
    trusted, pair = _pair(folder)
    with mail_server(folder / "mails", *pair) as server:
        yield Post(server, trusted, folder)


def _pair(folder: Path) -> tuple[Path, tuple[Path, Path]]:
    """The certificate of an authority, and that of localhost with its key."""
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    paths = [folder / f"{name}.pem" for name in ("ca", "server", "key")]
    authority.cert_pem.write_to_path(str(paths[0]))
    made.cert_chain_pems[0].write_to_path(str(paths[1]))
    made.private_key_pem.write_to_path(str(paths[2]))
    return paths[0], (paths[1], paths[2])


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as listening:
        yield listening


def send(way: str, message: Any = None, **settings: Any) -> None:
    """Hand a message over to ops."""
    loaded = load_settings(**settings)
    policy = policy_of(loaded)
    hand_over(message or a_message(), policy.contacts["ops"], way, loaded)


def test_a_mail_says_all_in_text_and_html(post: Post) -> None:
    before = len(post.server.mails())
    send("email", **post.settings(notify_ops_lang="ko", time_zone="Asia/Seoul"))
    [mail] = post.server.mails()[before:]
    assert mail["Subject"].startswith("[agentpg 심각] B01 ")
    assert mail["To"] == "ops@corp.internal, night@corp.internal"
    assert mail["Message-ID"] == "<0198c1a2-0000-7000-8000-000000000001@agentpg>"
    assert (mail["Auto-Submitted"], mail["X-Agentpg-Level"]) == ("auto-generated", "critical")
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    for body in (text.get_content(), html.get_content()):
        for part in ("agentpg backup create", "B01", "2026-03-01 18:50:00+09:00", "10 min", "60 h"):
            assert part.replace("60 h", "2 d 12 h") in body
        assert "docs/reference/findings/backup.md#b01" in body
        assert "agentpg notify ack " in body


@pytest.mark.parametrize("security", ["tls", "none"])
def test_mail_goes_by_tls_from_the_first_byte_and_openly_on_this_machine(
    post: Post, security: str
) -> None:
    before = len(post.server.mails())
    port = {"tls": post.server.tls, "none": post.server.open}[security]
    user = {"notify_smtp_user": ""} if security == "none" else {}
    send(
        "email",
        **post.settings(notify_smtp_port=port, notify_smtp_security=security, **user),
    )
    assert len(post.server.mails()) == before + 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"notify_ops_email": "refused@corp.internal"}, "550 5.1.1 nobody of that name"),
        ({"notify_ops_email": "slow@corp.internal", "notify_timeout": "300ms"}, "timed out"),
        ({"notify_smtp_password": "wrong"}, "535"),
        ({"notify_smtp_ca_file": ""}, "CERTIFICATE_VERIFY_FAILED"),
        ({"notify_smtp_host": "127.0.0.1"}, "IP address mismatch"),
        ({"notify_smtp_port": 1}, "Connection refused"),
        ({"notify_smtp_host": "mail.internal", "notify_smtp_security": "none"}, "TLS alone"),
    ],
)
def test_what_is_not_taken_says_why_and_never_the_password(
    post: Post, settings: dict[str, Any], reason: str
) -> None:
    before = len(post.server.mails())
    with pytest.raises(NotTold, match="the message to ops by email was not taken") as caught:
        send("email", **post.settings(**settings))
    assert reason in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert len(post.server.mails()) == before


def test_a_server_without_starttls_gets_no_mail(post: Post) -> None:
    with pytest.raises(NotTold, match="STARTTLS"):
        send("email", **post.settings(notify_smtp_port=post.server.open))


def test_one_of_two_that_is_refused_does_not_repeat_it_for_the_other(post: Post) -> None:
    before = len(post.server.mails())
    both = "refused@corp.internal ops@corp.internal"
    send("email", **post.settings(notify_ops_email=both))
    assert len(post.server.mails()) == before + 1


def test_a_server_that_dies_midway_has_not_taken_it(tmp_path: Path) -> None:
    trusted, pair = _pair(tmp_path)
    with mail_server(tmp_path / "mails", *pair) as server:
        post = Post(server, trusted, tmp_path)
        with pytest.raises(NotTold):
            send("email", **post.settings(notify_ops_email="deadly@corp.internal"))
        assert server.process.wait() == 1
        assert server.mails() == []


def test_what_was_taken_is_taken_whatever_is_said_at_parting(tmp_path: Path) -> None:
    """Some servers answer QUIT with an error, or not at all."""
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_impolite, args=(listening,))
    thread.start()
    port = listening.getsockname()[1]
    send("email", notify_ops_email="ops@corp.internal", notify_smtp_host="127.0.0.1",
         notify_smtp_port=port, notify_smtp_security="none")  # fmt: skip
    thread.join()
    listening.close()


def _impolite(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection, connection.makefile("rb") as lines:
        connection.sendall(b"220 here\r\n")
        for line in lines:
            if line.upper() == b"DATA\r\n":
                connection.sendall(b"354 go on\r\n")
                while lines.readline() != b".\r\n":
                    pass
            connection.sendall(b"451 no\r\n" if line.upper() == b"QUIT\r\n" else b"250 OK\r\n")


def test_a_login_within_the_address_is_used_and_not_said(hook: Receiver) -> None:
    place = hook.url.removeprefix("http://")
    send("webhook", notify_ops_webhook=f"http://kim:s3cret%21@{place}/x")
    assert hook.headers[0]["Authorization"] == "Basic a2ltOnMzY3JldCE="
    with pytest.raises(NotTold) as caught:
        send("webhook", notify_ops_webhook="http://kim:s3cret@localhost/x")
    assert "s3cret" not in str(caught.value)


def test_a_webhook_is_alertmanagers_and_signed(hook: Receiver) -> None:
    ended = an_alert(a_condition("B02"), state="resolved", resolved_at=an_alert().seen_at)
    settings = {"notify_ops_webhook": f"{hook.url}/x", "notify_webhook_secret": "k3y"}
    send("webhook", a_message(an_alert()), **settings)
    send("webhook", a_message(ended, kind="resolved"), **settings)
    first, second = hook.documents()
    assert (first["version"], first["status"], first["receiver"]) == ("4", "firing", "ops")
    [alert] = first["alerts"]
    assert alert["labels"] == {
        "alertname": "B01",
        "severity": "critical",
        "room": "backup",
        "contact": "ops",
        "instance": "db.internal:5432/agentic_ai",
    }
    assert alert["annotations"]["summary"] == "there is no backup"
    assert alert["annotations"]["command"] == "agentpg backup create"
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert second["status"] == second["alerts"][0]["status"] == "resolved"
    assert second["alerts"][0]["endsAt"] == "2026-03-01T10:00:00+00:00"
    for body, headers in zip(hook.bodies, hook.headers, strict=True):
        signed = headers["X-Agentpg-Timestamp"].encode() + b"." + body
        digest = hmac.new(b"k3y", signed, hashlib.sha256).hexdigest()
        assert headers["X-Agentpg-Signature"] == f"sha256={digest}"
        assert headers["X-Agentpg-Message-Id"] == "0198c1a2-0000-7000-8000-000000000001@agentpg"


def test_alertmanager_itself_gets_the_list_that_it_takes(hook: Receiver) -> None:
    send("webhook", notify_ops_webhook=f"{hook.url}/api/v2/alerts")
    [[alert]] = hook.documents()
    assert {"labels", "annotations", "startsAt", "endsAt", "generatorURL"} < alert.keys()


def test_a_webhook_that_fails_says_why_and_never_its_address(hook: Receiver) -> None:
    hook.status = 503
    for url, reason in (
        (f"{hook.url}/t0ken", "HTTP 503"),
        (f"{hook.url}/to-elsewhere", "HTTP 302"),
        ("http://127.0.0.1:1/t0ken", "Connection refused"),
    ):
        with pytest.raises(NotTold, match="by webhook was not taken") as caught:
            send("webhook", notify_ops_webhook=url)
        assert reason in str(caught.value)
        assert "t0ken" not in str(caught.value)
    assert hook.asked == [], "nobody is sent elsewhere"


@pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")
def test_everything_else_goes_through_apprise(
    hook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    send("apprise", notify_ops_apprise=hook.url.replace("http:", "json:"))
    [document] = hook.documents()
    assert document["title"].startswith("[agentpg critical] B01 there is no backup")
    assert "agentpg backup create" in document["message"]
    assert document["type"] == "failure"
    for url in ("nosuchservice://somewhere", hook.url.replace("http:", "json:") + "1"):
        with pytest.raises(NotTold, match="by apprise was not taken"):
            send("apprise", notify_ops_apprise=url)
    assert "somewhere" not in caplog.text, "a token may be there"


def test_a_way_that_is_no_more_in_the_settings_is_an_error() -> None:
    with pytest.raises(NoWayToContact, match="there is no way to ops"):
        send("email")


def test_a_server_that_answers_a_byte_at_a_time_does_not_hold_up_the_others() -> None:
    """Each byte comes in time, and the end never."""
    ended = threading.Event()

    def drip(listening: socket.socket) -> None:
        line, _ = listening.accept()
        with line, suppress(OSError):
            while not ended.wait(0.05):
                line.sendall(b"2")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        try:
            with pytest.raises(NotTold, match="within three times AGENTPG_NOTIFY_TIMEOUT"):
                send(
                    "email",
                    notify_ops_email="ops@corp.internal",
                    notify_smtp_host="127.0.0.1",
                    notify_smtp_port=listening.getsockname()[1],
                    notify_smtp_security="none",
                    notify_timeout="200ms",
                )
        finally:
            ended.set()
            thread.join()
