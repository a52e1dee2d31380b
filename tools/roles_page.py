"""The page of the reference that says who may do what, in both languages, from the rights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from agentpg.cli.needed_roles import NEEDED, Name
from agentpg.desk import markdown
from agentpg.desk.security.roles.names import GROUPS, PARTS, Part, RoleNames
from agentpg.desk.security.roles.rights import (
    DEFINERS,
    FUNCTIONS,
    LOGIN_ATTRIBUTES,
    MEANINGS,
    MEMBERSHIPS,
    RELATIONS,
    SERVER_FUNCTIONS,
    Right,
)
from agentpg.language import translation

_NAMES = RoleNames("agentic_ai")

_ENGLISH = {
    "title": "Roles",
    "intro": (
        "Which role of an installation may do what. `agentpg security roles apply` makes it so, "
        "and [how to use it](../howto/give-each-program-its-role.md) is a page of its own. A role "
        "is called after the database; groups cannot log in, and each has two logins, so that "
        "one works while the password of the other changes."
    ),
    "roles": ("Role", "Logins", "What it is for", "Has besides"),
    "attributes": "each login",
    "things": "Tables and views",
    "star": (
        "Rights with `*` hold for some columns only, which are listed below. What is not there "
        "nobody has but the owner: nothing is granted to everybody, `TRUNCATE` and DDL to no role "
        "of these. The backup role reads every table and sequence."
    ),
    "thing": "Table or view",
    "function": "Function",
    "functions": "Functions",
    "functions_text": (
        "Each has a fixed `search_path` and runs with the caller's rights, but for {definers}: "
        "{reason}. Triggers need no right: the server calls them."
    ),
    "columns": "Columns",
    "column": ("Role", "Table", "May", "Columns"),
    "commands": "Commands",
    "commands_text": (
        "As which role each command works; any of those named will do, and the owner, `admin`, "
        "everywhere but where it takes a superuser. Commands that are not listed need no role "
        "of the database."
    ),
    "command": ("Command", "Role", "To change something"),
    "any": "any",
    "SELECT": "read",
    "INSERT": "insert",
    "UPDATE": "change",
    "DELETE": "delete",
    "EXECUTE": "call",
}

_KOREAN = {
    "title": "역할",
    "intro": (
        "설치의 어느 역할이 무엇을 할 수 있는지 정리합니다. `agentpg security roles apply`가 "
        "이대로 만들며, "
        "[사용 방법](../howto/give-each-program-its-role.ko.md)은 따로 있습니다. 역할 이름은 "
        "데이터베이스 "
        "이름으로 시작합니다. 그룹은 로그인할 수 없고 그룹마다 로그인이 둘 있어, 하나의 "
        "비밀번호를 바꾸는 "
        "동안 다른 하나로 일합니다."
    ),
    "roles": ("역할", "로그인", "용도", "그 밖의 권한"),
    "attributes": "각 로그인",
    "things": "테이블과 뷰",
    "star": (
        "`*`가 붙은 권한은 일부 열에만 해당하며, 열은 아래에 있습니다. 여기에 없는 권한은 소유자만 "
        "가집니다. 모두(PUBLIC)에게 준 것은 없고, `TRUNCATE`와 DDL은 이 역할 중 누구에게도 "
        "없습니다. "
        "backup 역할은 모든 테이블과 시퀀스를 읽습니다."
    ),
    "thing": "테이블 또는 뷰",
    "function": "함수",
    "functions": "함수",
    "functions_text": (
        "모두 `search_path`가 고정되어 있고 호출한 쪽의 권한으로 실행됩니다. {definers}만 "
        "예외입니다: "
        "{reason}. 트리거는 서버가 호출하므로 권한이 필요 없습니다."
    ),
    "columns": "열",
    "column": ("역할", "테이블", "권한", "열"),
    "commands": "명령",
    "commands_text": (
        "각 명령이 어느 역할로 동작하는지 정리합니다. 나열된 것 중 아무 역할이나 되고, "
        "슈퍼유저가 필요한 "
        "경우가 아니면 소유자 `admin`은 언제나 됩니다. 여기에 없는 명령은 데이터베이스 역할이 "
        "필요 없습니다."
    ),
    "command": ("명령", "역할", "무엇을 바꿀 때"),
    "any": "아무 역할",
    "SELECT": "읽기",
    "INSERT": "삽입",
    "UPDATE": "변경",
    "DELETE": "삭제",
    "EXECUTE": "호출",
}

_WORDS = {"en": _ENGLISH, "ko": _KOREAN}


def title(language: str) -> str:
    """The page's title."""
    return str(_WORDS[language]["title"])


def parts(language: str) -> Iterator[str]:
    """The page's paragraphs and tables."""
    words = _WORDS[language]
    translate = translation(language)
    yield _text(words, "intro")
    yield markdown.table(_titles(words, "roles"), [_role(part, language) for part in PARTS])
    yield f"## {words['things']}"
    yield _text(words, "star")
    yield _matrix(words, "thing", RELATIONS, backup_reads=True)
    yield f"## {words['functions']}"
    definers = ", ".join(markdown.code(name) for name in DEFINERS)
    reason = translate(next(iter(DEFINERS.values())))
    yield _text(words, "functions_text").format(definers=definers, reason=reason)
    yield _matrix(words, "function", {**FUNCTIONS, **SERVER_FUNCTIONS}, backup_reads=False)
    yield f"## {words['columns']}"
    yield markdown.table(_titles(words, "column"), _columns(words))
    yield f"## {words['commands']}"
    yield _text(words, "commands_text")
    yield markdown.table(_titles(words, "command"), _commands(words))


def _text(words: Mapping[str, object], key: str) -> str:
    return str(words[key])


def _titles(words: Mapping[str, object], key: str) -> Sequence[str]:
    return cast("tuple[str, ...]", words[key])


def _role(part: Part, language: str) -> tuple[str, str, str, str]:
    words = _WORDS[language]
    besides = [markdown.code(one) for one in MEMBERSHIPS.get(part, ())]
    attributes = ", ".join(markdown.code(one) for one in LOGIN_ATTRIBUTES.get(part, ()))
    if attributes:
        besides.append(f"{words['attributes']}: {attributes}")
    return (
        markdown.code(_NAMES.group(part)),
        ", ".join(markdown.code(one) for one in _NAMES.logins(part)),
        markdown.text(translation(language)(MEANINGS[part])),
        ", ".join(besides),
    )


def _matrix(
    words: Mapping[str, object],
    title_key: str,
    of: Mapping[str, Mapping[Part, tuple[Right, ...]]],
    *,
    backup_reads: bool,
) -> str:
    titles = (_text(words, title_key), *GROUPS)
    rows = []
    for name, by_part in of.items():
        cells = [_cell(words, by_part.get(part, ())) for part in GROUPS]
        if backup_reads and not name.startswith(_VIEWS):
            cells[GROUPS.index("backup")] = _text(words, "SELECT")
        rows.append((markdown.code(name), *cells))
    return markdown.table(titles, rows)


# A dump reads what the views are made of.
_VIEWS = ("ruled", "task_counts", "agent_statistics", "llm_usage")


def _cell(words: Mapping[str, object], rights: Sequence[Right]) -> str:
    return ", ".join(
        f"{words[one.privilege]}{markdown.text('*') if one.columns else ''}" for one in rights
    )


def _columns(words: Mapping[str, object]) -> Iterator[tuple[str, str, str, str]]:
    for part in GROUPS:
        for name, by_part in RELATIONS.items():
            for right in by_part.get(part, ()):
                if right.columns:
                    columns = ", ".join(markdown.code(one) for one in right.columns)
                    yield part, markdown.code(name), _text(words, right.privilege), columns


def _commands(words: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    for path, needed in NEEDED.items():
        if needed.roles:
            roles, changes = _listed(words, needed.roles), _listed(words, needed.changes)
            yield markdown.code(f"agentpg {path}"), roles, changes


def _listed(words: Mapping[str, object], roles: Sequence[Name]) -> str:
    return ", ".join(_text(words, "any") if one == "any" else one for one in roles)
