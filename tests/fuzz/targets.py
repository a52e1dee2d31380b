"""The readers, each with what it may say of a bad input, and inputs to begin with.

An input that makes one raise anything else, or show a secret, is a find.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from uuid import UUID

from agentpg.db import make_conninfo, password_for, read_conninfo, wrong_keys
from agentpg.desk.backup.proof.manifest import Manifest
from agentpg.desk.backup.recovery.orders import take_orders
from agentpg.desk.backup.recovery.targets import is_lsn
from agentpg.desk.backup.recovery.wal import parse_history, segment_named
from agentpg.desk.backup.storage.keys import read_key_file as read_age_keys
from agentpg.desk.backup.storage.records import _backup, _drill, _parsed
from agentpg.desk.backup.storage.sealing import Seal, age_library
from agentpg.desk.doctor.slow.logs import entries_of
from agentpg.desk.doctor.slow.texts import without_values
from agentpg.desk.hba.matching import Asked, first_of
from agentpg.desk.hba.reading import lines_in
from agentpg.desk.redacting import redact
from agentpg.desk.restoring import find_parts
from agentpg.desk.security.baseline import read_baseline
from agentpg.desk.security.env.files import env_files, secret_files
from agentpg.desk.security.undoing import read_undo as read_security_undo
from agentpg.desk.tune.plans.findings import find
from agentpg.desk.tune.plans.tree import plan_of
from agentpg.desk.tune.settings_undo import read_undo
from agentpg.errors import AgentpgError
from agentpg.quantities import format_duration, format_size, parse_duration, parse_size
from agentpg.redaction import Redaction, redaction_of
from agentpg.sealing import Keyring, Place, new_key, open_token, read_keys, read_rules, seal_text
from agentpg.settings import Settings, hide_secrets, load_settings
from agentpg.settings.addresses import (
    parse_addresses,
    parse_apprise,
    parse_routes,
    parse_web_url,
)
from agentpg.settings.hiding import parse_seal_rules
from agentpg.tasks.encoding import decode_payload, encode_payload
from agentpg.tasks.limits import parse_rate
from agentpg.tasks.payloads import parse_payload
from agentpg.tasks.redaction import without_secrets
from agentpg.tasks.timetable import check_timetable

REGRESSIONS = Path(__file__).with_name("regressions")

_MOMENT = datetime(2026, 11, 29, 10, 30, tzinfo=UTC)
_TASK = UUID(int=1)
_ANY_LIMIT = 2**31

# A plan comes from the server itself, in a form of its own: what has another one may fail.
_WRITTEN_BY_THE_SERVER = (AgentpgError, KeyError, TypeError, AttributeError, ValueError)


@dataclass(frozen=True, slots=True)
class Target:
    """A reader. `may_raise` is how it says that an input is none."""

    name: str
    read: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    may_raise: tuple[type[Exception], ...] = (AgentpgError,)

    def feed(self, data: bytes) -> None:
        """Have it read an input; raises only what it may not."""
        with contextlib.suppress(*self.may_raise):
            self.read(data)


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


@cache
def _folder() -> Path:
    """A folder in memory, for readers of files."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="agentpg-fuzz-", dir=base))


def _file(data: bytes, name: str = "input") -> Path:
    path = _folder() / name
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def _dsn(data: bytes) -> None:
    text = _text(data)
    hide_secrets(text)
    if (said := read_conninfo(text)) is not None:
        assert "password" not in said.values
        make_conninfo("", **{n: v for n, v in said.values.items() if n != "service"})
        password_for(text, passfile=str(_folder() / "none"))
    wrong_keys(text)


def _hba(data: bytes) -> None:
    lines = list(lines_in(data.decode(errors="replace"), _folder() / "pg_hba.conf"))
    for address in ("", "192.0.2.7", "::1"):
        for tls in (False, True):
            asked = Asked(user="kim", database="agentic_ai", address=address, tls=tls)
            first_of(lines, asked)


def _quantities(data: bytes) -> None:
    text = _text(data)
    with contextlib.suppress(ValueError):
        format_duration(parse_duration(text))  # type: ignore[arg-type]
    with contextlib.suppress(ValueError):
        format_size(parse_size(text))  # type: ignore[arg-type]
    with contextlib.suppress(AgentpgError):
        parse_rate(text)


def _cron(data: bytes) -> None:
    line, _, zone = _text(data).partition("\n")
    check_timetable(line, zone or "UTC", _MOMENT)


def _payload(data: bytes) -> None:
    text = _text(data)
    decode_payload(text)
    value = parse_payload(text)
    encoded = encode_payload(value, _ANY_LIMIT)
    if encoded is not None:
        assert decode_payload(encoded) == value or "NaN" in text


def _plan(data: bytes) -> None:
    try:
        documents = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(documents, list) and documents and isinstance(documents[0], dict):
        find(plan_of(documents[0], "SELECT 1"))


def _log(data: bytes) -> None:
    text = data.decode(errors="replace")
    entries_of(text, _MOMENT.replace(tzinfo=None))
    without_values(text)


@cache
def _redactor() -> Redaction:
    return redaction_of(load_settings(redact="email phone card iban rrn ip", redact_keys="acct"))


def _redaction(data: bytes) -> None:
    text = _text(data)
    hidden = _redactor().hide(f"password=hunter2 {text}")
    assert "hunter2" not in hidden.partition(text[:1] or " ")[0]
    without_secrets(text, "hunter2")
    redact(text)


def _expressions(data: bytes) -> None:
    from agentpg.redaction import _expressions as read

    read(_file(data))


def _age(data: bytes) -> None:
    path, target = _file(data), _folder() / "opened"
    target.unlink(missing_ok=True)
    _seal().unseal(path, target)


@cache
def _seal() -> Seal:
    identity = age_library().x25519.Identity.generate()
    return Seal((str(identity.to_public()),), (str(identity),))


def _sealed_age() -> bytes:
    source, target = _file(b"content"), _folder() / "sealed"
    target.unlink(missing_ok=True)
    _seal().seal(source, target)
    return target.read_bytes()


def _manifest(data: bytes) -> None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return
    Manifest.parse(document, "x")


def _record(data: bytes) -> None:
    _parsed(data, "x", _backup)


def _drill_record(data: bytes) -> None:
    _parsed(data, "x", _drill)


def _archive(data: bytes) -> None:
    folder = _folder() / "archive" / "part-000001"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_bytes(data)
    find_parts(folder.parent)


def _orders(data: bytes) -> None:
    with contextlib.suppress(AgentpgError):
        before = dict(os.environ)
        try:
            take_orders(_file(data))
        finally:
            os.environ.clear()
            os.environ.update(before)


@cache
def _defaults() -> Settings:
    return load_settings()


def _env(data: bytes) -> None:
    folder = _folder() / "project"
    folder.mkdir(exist_ok=True)
    for name in (".env", ".pgpass", "pg_service.conf"):
        (folder / name).write_bytes(data)
    env_files(folder)
    secret_files(folder, _defaults())
    here = Path.cwd()
    os.chdir(folder)
    try:
        load_settings()
    finally:
        os.chdir(here)


def _pgpass(data: bytes) -> None:
    path = _file(data, "pgpass")
    password_for("host=h user=u dbname=d", passfile=str(path))


def _key() -> bytes:
    return new_key(date(2026, 11, 29)).line().encode()


def _keys(data: bytes) -> None:
    read_keys(_text(data), "input")
    with contextlib.suppress(AgentpgError):
        read_age_keys(_file(data))


@cache
def _ring() -> Keyring:
    return Keyring((new_key(date(2026, 11, 29)),))


def _token(data: bytes) -> None:
    assert open_token(_ring(), Place.in_task("payload", _TASK), _text(data)) == "text"


def _sealed_token() -> bytes:
    return seal_text(_ring().first, Place.in_task("payload", _TASK), "text").encode()


def _settings(data: bytes) -> None:
    text = _text(data)
    for parse in (parse_addresses, parse_web_url, parse_apprise, parse_routes):
        with contextlib.suppress(ValueError):
            parse(text)
    read_rules(str(parse_seal_rules(text)))


def _names(data: bytes) -> None:
    text = _text(data)
    segment_named(text)
    is_lsn(text)
    parse_history(text)


def _baseline(data: bytes) -> None:
    read_baseline(_file(data))


def _undo(data: bytes) -> None:
    path = _file(data)
    with contextlib.suppress(AgentpgError):
        read_undo(path)
    read_security_undo(path)


@cache
def targets() -> dict[str, Target]:
    """All of them, by name."""
    plan = {
        "Plan": {
            "Node Type": "Seq Scan", "Relation Name": "t", "Total Cost": 1.5, "Plan Rows": 1,
            "Plans": [{"Node Type": "Sort", "Sort Key": ["a"], "Actual Rows": 3}],
        },
        "Planning Time": 0.1, "Settings": {"jit": "off"},
    }  # fmt: skip
    log = (
        "2026-11-29 10:00:00.000 UTC [1] LOG:  duration: 1500.1 ms  statement: SELECT 'x'\n"
        "2026-11-29 10:00:00.000 UTC [1] ERROR:  deadlock detected\n\tProcess 1: SELECT 1\n"
    )
    made = [
        Target("dsn", _dsn, (b"host=a password='b c'", b"postgresql://u:p@h:1/d?sslmode=require")),
        Target(
            "hba", _hba, (b'host all "k,m" 10.0.0.0/8 md5\n', b"local a\\\n b trust", b"@x"),
            (AgentpgError, OSError),
        ),
        Target("quantities", _quantities, (b"5min", b"1.5GiB", b"100/min", b"0.5ms")),
        Target("cron", _cron, (b"*/5 8-17 * * mon-fri\nAsia/Seoul", b"@daily", b"0 0 L * *")),
        Target("payload", _payload, (b'{"a": [1, 2.5, null, "\\u0000"]}', b"[[[[]]]]")),
        Target("plan", _plan, (json.dumps([plan]).encode(),), _WRITTEN_BY_THE_SERVER),
        Target("log", _log, (log.encode(),)),
        Target("redaction", _redaction, (b"Bearer x 4111 1111 1111 1111", b"a:1:b:c:d", b"E'\\''")),
        Target("expressions", _expressions, (b"# c\n(?P<secret>x)y\n", b"a{2,}|b")),
        Target("age", _age, (_sealed_age(), b"age-encryption.org/v1\n-> X25519 a\n")),
        Target("manifest", _manifest, (b'{"format": 1, "schema": "x", "tables": []}',)),
        Target("record", _record, (b'{"format": 1, "checksum": "x", "name": "y"}',)),
        Target("drill", _drill_record, (b'{"format": 1, "checksum": "x", "backup": "y"}',)),
        Target("archive", _archive, (b'{"format": 1, "tables": {"tasks": {"file": "x"}}}',)),
        Target("orders", _orders, (b'{"folder": "x", "bucket": null, "recipients": []}',)),
        Target("env", _env, (b"AGENTPG_LEASE=5s\nPGPASSWORD='x'\n", b"export A=\"$B\n")),
        Target("pgpass", _pgpass, (b"h:5432:d:u:p\\:w\n*:*:*:*:x", b"#\n")),
        Target("keys", _keys, (_key(), b"AGE-SECRET-KEY-1X")),
        Target("token", _token, (_sealed_token(),)),
        Target(
            "settings", _settings, (b"*:payload A/b", b"disk=ops B*:critical=dba", b"a@b.c"),
            (AgentpgError, ValueError),
        ),
        Target("names", _names, (b"000000010000000000000001", b"0/3000148", b"1\t0/1\tno")),
        Target("baseline", _baseline, (b'[[accepted]]\ncode = "A01"\nowner = "k"\n',)),
        Target("undo", _undo, (b"ALTER SYSTEM RESET work_mem;\n",)),
    ]  # fmt: skip
    return {target.name: target for target in made}
