"""What our own code must not do: shells, SQL from texts, names that were not quoted.

Each rule is shown to catch what it is about, by a piece of code that breaks it.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import agentpg

pytestmark = pytest.mark.without_server

PACKAGE = Path(agentpg.__path__[0])
ROOT = Path(__file__).parents[1]

# `Fragment` puts a text into a statement as it is. Each of these has it from the server's own
# catalogue, from a file of sql/, from literal() or identifier(), or from a statement that an
# operator gave to be run or explained as it is.
_WITH_FRAGMENTS = """
    db/pooler.py
    desk/archive.py
    desk/backup/proof/contents.py
    desk/backup/proof/holding.py
    desk/backup/proof/moment.py
    desk/backup/proof/proving.py
    desk/backup/proof/taking.py
    desk/backup/restore/confined.py
    desk/backup/restore/merging.py
    desk/backup/restore/remaking.py
    desk/backup/restore/tables.py
    desk/backup/restore/undoing.py
    desk/doctor/connection/case.py
    desk/doctor/vacuum/looking.py
    desk/monitor/acting.py
    desk/restoring.py
    desk/security/passwords/storing.py
    desk/security/roles/steps.py
    desk/security/rotation/rotating.py
    desk/security/tenants/deciding.py
    desk/security/tls/installing.py
    desk/tune/indexing/applying.py
    desk/tune/indexing/copying.py
    desk/tune/indexing/guessing.py
    desk/tune/indexing/proposals.py
    desk/tune/indexing/trying.py
    desk/tune/keeping_up.py
    desk/tune/plans/reading.py
    desk/tune/settings_applying.py
    desk/tune/vacuuming.py
    schema/adoption.py
    schema/inspection.py
    schema/reshaping.py
    schema/verification.py
    setup/installing.py
"""

# A text is run as it is where it was composed before, to be shown before it is run, or is a
# migration. Everywhere else a statement comes from Statements.
_WITH_TEXTS = """
    desk/backup/recovery/archiving.py
    desk/backup/restore/merging.py
    desk/backup/restore/remaking.py
    desk/backup/restore/undoing.py
    desk/doctor/fixing.py
    desk/security/passwords/storing.py
    desk/security/roles/applying.py
    desk/security/rotation/rotating.py
    desk/security/tenants/binding.py
    desk/tune/indexing/undoing.py
    schema/adoption.py
    schema/inspection.py
    schema/migrations.py
    schema/searchpath.py
    schema/verification.py
    setup/installing.py
"""

_RUNS_PROGRAMS = {"run", "Popen", "call", "check_call", "check_output", "create_subprocess_exec"}
_SHELLS = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"}
_DRIVER = {"execute", "executemany", "copy", "insist", "stream"}

Rule = Callable[[ast.AST], bool]


def _name(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _made_text(node: ast.AST) -> bool:
    """Whether an expression is a text that was written here or put together here."""
    match node:
        case ast.Constant(value=str() | bytes()) | ast.JoinedStr():
            return True
        case ast.BinOp(left=left, right=right):
            return _made_text(left) or _made_text(right)
        case ast.Call(func=ast.Attribute(attr="format" | "join" | "replace" | "encode", value=of)):
            return _made_text(of)
    return False


def uses_a_shell(node: ast.AST) -> bool:
    """A shell, or a program given as one text."""
    if not isinstance(node, ast.Call):
        return False
    of = getattr(getattr(node.func, "value", None), "id", "")
    if _name(node) in _SHELLS and of in ("", "os", "asyncio", "subprocess"):
        return isinstance(node.func, ast.Attribute) and bool(of)
    shell = [k for k in node.keywords if k.arg == "shell"]
    if any(not (isinstance(k.value, ast.Constant) and k.value.value is False) for k in shell):
        return True
    if _name(node) in _RUNS_PROGRAMS and of == "subprocess":
        return bool(node.args) and _made_text(node.args[0])
    return False


def runs_made_sql(node: ast.AST) -> bool:
    """A statement that is a text of the code, or put together of some."""
    return (
        isinstance(node, ast.Call)
        and _name(node) in _DRIVER
        and bool(node.args)
        and _made_text(node.args[0])
    )


def evaluates(node: ast.AST) -> bool:
    """Code or objects made of a text."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        return node.func.id in ("eval", "exec", "compile", "__import__")
    of = getattr(getattr(node.func, "value", None), "id", "")
    return (of, _name(node)) in {
        ("pickle", "loads"), ("pickle", "load"), ("marshal", "loads"), ("yaml", "load"),
        ("tempfile", "mktemp"), ("shelve", "open"),
    }  # fmt: skip


def makes_sql(node: ast.AST) -> bool:
    """psycopg.sql.SQL of anything but a text that stands there."""
    if not isinstance(node, ast.Call) or _name(node) != "SQL":
        return False
    return not (node.args and isinstance(node.args[0], ast.Constant))


def runs_a_text(node: ast.AST) -> bool:
    """A text that is made bytes for the driver, which takes no other text as it is."""
    return (
        isinstance(node, ast.Call)
        and _name(node) in _DRIVER
        and bool(node.args)
        and isinstance(node.args[0], ast.Call)
        and _name(node.args[0]) == "encode"
    )


def puts_in_a_fragment(node: ast.AST) -> bool:
    """A text that is put into a statement as it is."""
    return isinstance(node, ast.Call) and _name(node) == "Fragment"


@cache
def calls() -> tuple[tuple[str, ast.Call], ...]:
    """Every call in our code, with its file; parsed once, since that takes seconds."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        module = ast.parse(path.read_text(encoding="utf-8"))
        found += [(name, node) for node in ast.walk(module) if isinstance(node, ast.Call)]
    return tuple(found)


def breaking(rule: Rule) -> dict[str, list[int]]:
    """The lines that break a rule, by file."""
    found: dict[str, list[int]] = {}
    for name, call in calls():
        if rule(call):
            found.setdefault(name, []).append(call.lineno)
    return found


@pytest.mark.parametrize("rule", [uses_a_shell, runs_made_sql, evaluates])
def test_it_is_nowhere(rule: Rule) -> None:
    assert breaking(rule) == {}


def test_only_one_file_makes_sql_of_texts_which_it_reads_from_files() -> None:
    assert list(breaking(makes_sql)) == ["db/query.py"]


def test_who_puts_texts_into_statements_is_known() -> None:
    assert set(breaking(puts_in_a_fragment)) - set(_WITH_FRAGMENTS.split()) == set()


def test_who_runs_texts_is_known() -> None:
    assert set(breaking(runs_a_text)) - set(_WITH_TEXTS.split()) == set()


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (uses_a_shell, "subprocess.run('ls ' + name)"),
        (uses_a_shell, "subprocess.run(f'ls {name}', check=True)"),
        (uses_a_shell, "subprocess.run(command, shell=True)"),
        (uses_a_shell, "os.system(command)"),
        (uses_a_shell, "asyncio.create_subprocess_shell(command)"),
        (runs_made_sql, "cursor.execute(f'SELECT {name}')"),
        (runs_made_sql, "cursor.execute('SELECT ' + name)"),
        (runs_made_sql, "cursor.execute('SELECT %s' % name)"),
        (runs_made_sql, "cursor.execute('SELECT {}'.format(name))"),
        (runs_made_sql, "cursor.execute(f'SELECT {name}'.encode())"),
        (runs_made_sql, "connection.insist('SELECT ' + name, {})"),
        (evaluates, "eval(text)"),
        (evaluates, "pickle.loads(content)"),
        (makes_sql, "sql.SQL(text)"),
        (makes_sql, "SQL(f'SELECT {name}')"),
        (puts_in_a_fragment, "Fragment(name)"),
        (runs_a_text, "connection.execute(text.encode())"),
    ],
)
def test_each_rule_catches_what_breaks_it(rule: Rule, code: str) -> None:
    assert any(map(rule, ast.walk(ast.parse(code))))


def test_the_linter_looks_for_the_rest() -> None:
    """ruff's rules of flake8-bandit are on, and only those about lists of words are off."""
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    assert "S" in ruff["lint"]["select"]
    assert {rule for rule in ruff["lint"]["ignore"] if rule.startswith("S")} == {"S603", "S607"}
    assert not any(
        rule.startswith("S") for glob, rules in ruff["lint"]["per-file-ignores"].items()
        for rule in rules if glob.startswith("src/")
    )  # fmt: skip


def test_no_statement_of_a_file_quotes_a_name_by_itself() -> None:
    """`'{name}'` and `"{name}"` would quote once more what is quoted when it is put in."""
    quoted = re.compile(r"""(['"])\{[a-z_]+\}\1""")
    for path in sorted((PACKAGE / "sql").glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        assert not quoted.search(text.replace("{{", "").replace("}}", "")), path.name
