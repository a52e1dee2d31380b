"""Secrets around an installation: real files, a real repository, real processes."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.desk.check import Unlooked
from agentpg.desk.finding import Finding
from agentpg.desk.security.env.findings import CHECKS, find
from agentpg.desk.security.env.looking import look_around
from agentpg.desk.security.env.patterns import has_password, is_secret, sets_password
from agentpg.settings import load_settings
from tests.waiting import eventually

pytestmark = pytest.mark.without_server

SECRET = "nEG7ru2Xwl0"
DSN = f"postgresql://admin:{SECRET}@db.example/agentic_ai"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of an application, with nothing of the developer's around it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    place = tmp_path / "app"
    place.mkdir()
    monkeypatch.chdir(place)
    git("init", "--quiet")
    git("config", "user.email", "kim@example.com")
    git("config", "user.name", "kim")
    return place


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)


def look(folder: Path, logs: Path | None = None) -> dict[str, list[Finding]]:
    """What is not well, by code."""
    settings = load_settings(home=folder.parent / "home")
    found: dict[str, list[Finding]] = {}
    for one in find(look_around(folder, settings, logs)):
        assert SECRET not in json.dumps(one.document(), default=str)
        if one.level != "ok":
            found.setdefault(one.code, []).append(one)
    return found


def keep(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_well_kept_folder_has_nothing(folder: Path) -> None:
    keep(folder / ".env", f"AGENTPG_HOME=/srv\nOPENAI_API_KEY={SECRET}\n")
    keep(folder / ".gitignore", ".env\n")
    keep(folder / ".env.example", "AGENTPG_DSN=postgresql://admin:password@localhost/agentic_ai\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "begin")
    assert {code for code in look(folder) if code != "E07"} == set()


def test_an_open_file_is_told_and_closing_it_helps(folder: Path) -> None:
    env = keep(folder / ".env", f"AGENTPG_DSN={DSN}\n", 0o644)
    keep(folder / ".gitignore", ".env\n")
    [one] = look(folder)["E01"]
    assert (one.level, one.subject) == ("critical", str(env))
    assert one.evidence["secrets"] == ["AGENTPG_DSN"]
    subprocess.run(one.remedies[0].command, shell=True, check=True)  # noqa: S602 - it is ours
    assert "E01" not in look(folder)
    env.chmod(0o640)
    assert look(folder)["E01"][0].level == "warning"


def test_git_is_asked_what_it_has_and_has_had(folder: Path) -> None:
    keep(folder / ".env", f"AGENTPG_DSN={DSN}\n")
    [would] = look(folder)["E04"]
    assert would.subject.endswith("/.env")
    git("add", ".env")
    git("commit", "--quiet", "-m", "oops")
    found = look(folder)
    assert [one.subject for one in found["E02"]] == [".env"]
    assert found["E02"][0].level == "critical"
    assert [one.subject for one in found["E05"]] == [".env:1"]
    git("rm", "--quiet", "--cached", ".env")
    keep(folder / ".gitignore", ".env\n")
    git("add", ".gitignore")
    git("commit", "--quiet", "-m", "better")
    after = look(folder)
    assert "E02" not in after
    assert "E04" not in after
    assert [one.subject for one in after["E03"]] == [".env"]


def test_a_folder_may_be_named_in_any_script_and_runs_nothing(folder: Path) -> None:
    ran = folder.parent / "ran"
    program = folder.parent / "gpg"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n", encoding="utf-8")
    program.chmod(0o755)
    place = folder / "비밀 창고"
    place.mkdir()
    keep(place / ".env", f"AGENTPG_DSN={DSN}\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "oops")
    sign(folder)
    git("config", "log.showSignature", "true")
    git("config", "gpg.program", str(program))
    assert [one.subject for one in look(folder)["E02"]] == ["비밀 창고/.env"]
    assert not ran.exists()
    git("log")
    assert ran.exists(), "git would have run it"


def sign(folder: Path) -> None:
    """Give the last commit a signature, as a stranger's has one."""
    said = subprocess.run(
        ["git", "cat-file", "commit", "HEAD"], check=True, capture_output=True, text=True
    ).stdout
    head, _, message = said.partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----"
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        input=f"{head}\n{signature}\n\n{message}",
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    git("reset", "--quiet", "--soft", made)


def test_old_secrets_are_told_by_their_age(folder: Path) -> None:
    env = keep(folder / ".env", f"OPENAI_API_KEY={SECRET}\n")
    keep(folder / ".gitignore", ".env\n")
    for days, level in ((100, "info"), (400, "warning")):
        then = env.stat().st_mtime - timedelta(days=days).total_seconds()
        os.utime(env, (then, then))
        assert [one.level for one in look(folder)["E06"]] == [level]
        os.utime(env)


@pytest.fixture
def talkative() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a password in its arguments."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", DSN])
    yield process
    process.kill()
    process.wait()


def test_a_process_that_shows_a_password_is_told(
    folder: Path, talkative: subprocess.Popen[bytes]
) -> None:
    def seen() -> bool:
        # Until it has become what it runs.
        return str(talkative.pid) in [one.subject for one in look(folder).get("E07", ())]

    eventually(seen)
    [one] = [f for f in look(folder)["E07"] if f.subject == str(talkative.pid)]
    assert one.level == "critical"
    assert "python" in one.evidence["program"]
    assert one.message().endswith(f" of {pwd.getpwuid(os.getuid()).pw_name}")
    assert one.thing == f"{one.evidence['account']} {one.evidence['program']}", "of its like, one"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start others' processes")
def test_processes_of_others_are_not_ours_to_mend(folder: Path) -> None:
    def told(process: subprocess.Popen[bytes]) -> bool:
        return str(process.pid) in [one.subject for one in look(folder).get("E07", ())]

    command = ["/bin/sh", "-c", "read line", DSN]
    with subprocess.Popen(command, user="nobody", cwd="/", stdin=subprocess.PIPE) as process:
        shown = Path(f"/proc/{process.pid}/cmdline")
        eventually(lambda: SECRET in shown.read_text())
        assert not told(process)
        home = folder.parent / "home"
        home.mkdir()
        os.chown(home, pwd.getpwnam("nobody").pw_uid, -1)
        assert told(process), "of the account to which the installation belongs"


def test_passwords_in_settings_and_logs_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_DSN", DSN)
    logs = folder.parent / "log"
    logs.mkdir()
    keep(logs / "a.log", f"LOG: x\nLOG:  statement: ALTER ROLE kim PASSWORD '{SECRET}'\n")
    keep(logs / "b.log", "LOG:  statement: ALTER ROLE kim PASSWORD 'SCRAM-SHA-256$4096:a$b:c'\n")
    found = look(folder, logs)
    assert [(one.subject, one.evidence["source"]) for one in found["E08"]] == [
        ("dsn", "environment")
    ]
    [one] = found["E09"]
    assert (one.subject, one.evidence["first"]) == (str(logs / "a.log"), 2)


def test_what_could_not_be_looked_at_is_unknown(folder: Path) -> None:
    found = find(look_around(folder, load_settings(), Unlooked("it is elsewhere")))
    assert [one.level for one in found if one.code == "E09"] == ["unknown"]
    assert {one.code for one in found} == {check.code for check in CHECKS} - {"E10"}


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (DSN, True),
        (f"host=db password={SECRET}", True),
        (f"ALTER ROLE kim PASSWORD '{SECRET}'", True),
        ("postgresql://admin:***@db/app", False),
        ("postgresql://admin:$PGPASSWORD@db/app", False),
        ("postgresql://user:password@db/app", False),
        ("password={secret}", False),
        ("CREATE ROLE kim PASSWORD 'SCRAM-SHA-256$4096:a$b:c'", False),
        ("postgresql://admin@db/app", False),
    ],
)
def test_what_a_secret_is(text: str, held: bool) -> None:
    assert has_password(text) is held


def test_a_path_and_a_placeholder_are_no_secret() -> None:
    assert is_secret("OPENAI_API_KEY", SECRET)
    assert not is_secret("AGENTPG_BACKUP_KEY_FILE", "/etc/agentpg/key")
    assert not is_secret("API_TOKEN", "<your token>")
    assert not sets_password("FATAL: password authentication failed")


def scan(folder: Path, units: Path | None = None) -> dict[str, list[Finding]]:
    """What is not well by code, with all that was ever committed."""
    settings = load_settings(home=folder.parent / "home")
    around = look_around(folder, settings, None, scan=True, units=[units or folder / "none"])
    found: dict[str, list[Finding]] = {}
    for one in find(around):
        assert SECRET not in json.dumps(one.document(), default=str)
        if one.level != "ok":
            found.setdefault(one.code, []).append(one)
    return found


def test_what_was_ever_committed_is_searched(folder: Path) -> None:
    token = "ghp_" + "aB3" * 12
    keep(folder / "app.py", f"import os\nURL = '{DSN}'\nTOKEN = '{token}'\n")
    keep(folder / "image", f"\0{DSN}")
    git("add", ".")
    git("commit", "--quiet", "-m", "begin")
    first = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    keep(folder / "app.py", "import os\nprint(os.environ['AGENTPG_DSN'])\n")
    (folder / "image").unlink()
    git("commit", "--quiet", "-am", "better")
    git("branch", "aside", "HEAD~")
    assert "E05" not in look(folder)
    assert "E10" not in look(folder), "only --scan takes the time"
    found = {one.evidence["because"]: one for one in scan(folder)["E10"]}
    assert set(found) == {"a connection string with a password", "a token of GitHub"}
    one = found["a connection string with a password"]
    assert (one.level, one.subject, one.evidence["commit"]) == ("warning", "app.py:2", first)
    assert token not in json.dumps([one.document() for one in found.values()], default=str)


def test_a_password_in_use_is_found_wherever_it_stands(folder: Path) -> None:
    keep(folder / ".pgpass", f"db.example:5432:*:kim:{SECRET}\n")
    keep(folder / ".gitignore", ".pgpass\n")
    keep(folder / "notes.txt", f"kim said it is {SECRET}\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "begin")
    [one] = scan(folder)["E10"]
    assert (one.level, one.subject) == ("critical", "notes.txt:1")
    assert SECRET not in one.message()


def test_a_history_that_cannot_be_read_is_unknown(folder: Path) -> None:
    keep(folder / "notes.txt", "nothing\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "begin")
    for content in (folder / ".git" / "objects").glob("??/*"):
        content.unlink()
    assert [one.level for one in scan(folder)["E10"]] == ["unknown"]
    shutil.rmtree(folder / ".git")
    assert "E10" not in scan(folder)


def test_units_with_secrets_are_told(folder: Path) -> None:
    units = folder / "units"
    (units / "app.service.d").mkdir(parents=True)
    keep(units / "app.service", f"[Service]\n# {DSN}\nExecStart=/usr/bin/app {DSN}\n", 0o644)
    keep(units / "app.service.d" / "a.conf", f"[Service]\nEnvironment=PGPASSWORD={SECRET}\n")
    keep(units / "good.service", "[Service]\nEnvironment=PGPASSFILE=%d/pgpass\n")
    found = [one.subject.removeprefix(f"{units}/") for one in scan(folder, units)["E11"]]
    assert found == ["app.service:3", "app.service.d/a.conf:2"]


def test_lines_that_no_password_is_read_from_are_told(folder: Path) -> None:
    keep(folder / ".gitignore", ".pgpass\n")
    keep(folder / ".pgpass", f"# ours\ndb:5432:*:kim:{SECRET}:x\n*:*:*:*:{SECRET}\n")
    wrong, everywhere = look(folder)["E12"]
    assert (wrong.level, wrong.evidence["first"]) == ("warning", 2)
    assert (everywhere.level, everywhere.evidence["first"]) == ("info", 3)
