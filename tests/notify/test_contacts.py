"""The contacts as the settings say them: what is refused, what is hidden."""

from __future__ import annotations

import pytest

from agentpg.errors import SettingError
from agentpg.notify.policy import policy_of
from agentpg.settings import describe, load_settings

pytestmark = pytest.mark.without_server


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notify_dba_email", "dba@company.com"),
        ("notify_ops_email", "ops-team@company.com"),
        ("notify_dba_email", "kim@corp.internal, kim@mail.example.org"),
        ("notify_dba_email", "kim@db.EXAMPLE"),
        ("notify_dba_email", "kim@nowhere.invalid"),
        ("notify_dba_email", "kim@host.test"),
        ("notify_ops_webhook", "https://hooks.example.com/T0/x"),
        ("notify_ops_apprise", "slack://a/b/c mailto://user:pw@example.net"),
        ("notify_ops_apprise", "mailtos://smtp.corp.internal?to=dba%40company.com"),
        ("notify_from", "agentpg@example.com"),
    ],
)
def test_an_example_address_is_never_written_to(name: str, value: str) -> None:
    with pytest.raises(SettingError, match="an address for examples is never written to"):
        load_settings(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notify_dba_email", "nobody"),
        ("notify_dba_email", "a@b@c"),
        ("notify_dba_email", "kim@corp.internal\nBcc: x@y"),
        ("notify_ops_webhook", "file:///etc/passwd"),
        ("notify_ops_webhook", "https://"),
        ("notify_ops_webhook", "http://[::1"),
        ("notify_ops_apprise", "slack"),
        ("notify_routes", "backup"),
        ("notify_routes", "backup=boss"),
        ("notify_routes", "backup:bad=ops"),
        ("notify_looks", "0"),
        ("notify_smtp_security", "some"),
    ],
)
def test_what_is_no_address_or_route_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingError):
        load_settings(**{name: value})


def test_secrets_are_hidden_everywhere() -> None:
    secrets = {
        "notify_ops_webhook": "https://hooks.internal/s3cret",
        "notify_dba_apprise": "slack://s3cret/b/c",
        "notify_smtp_password": "s3cret",
        "notify_webhook_secret": "s3cret",
    }
    settings = load_settings(**secrets)
    assert "s3cret" not in str([one.value for one in describe(settings)])
    assert "s3cret" not in repr(policy_of(settings))
    with pytest.raises(SettingError) as caught:
        load_settings(notify_ops_webhook="gopher://s3cret")
    assert "s3cret" not in str(caught.value)


def test_contacts_have_their_ways_and_routes_their_order() -> None:
    policy = policy_of(
        load_settings(
            notify_dba_email="a@corp.internal,b@corp.internal",
            notify_ops_apprise="json://localhost  json://localhost",
            notify_ops_lang="ko",
            notify_routes="B*:critical=dba,ops C07=nobody",
        )
    )
    assert policy.contacts["dba"].ways == ("email",)
    assert policy.contacts["dba"].addresses == ("a@corp.internal", "b@corp.internal")
    assert (policy.contacts["ops"].ways, policy.contacts["ops"].language) == (("apprise",), "ko")
    assert [(one.pattern, one.level, one.contacts) for one in policy.routes] == [
        ("B*", "critical", ("dba", "ops")),
        ("C07", "warning", ()),
    ]
