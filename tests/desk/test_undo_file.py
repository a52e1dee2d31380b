"""The files that take changes back: one form, and the forms from before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agentpg.desk.security import undoing as of_security
from agentpg.desk.tune.indexing import undoing as of_indexes
from agentpg.desk.tune.settings_undo import read_undo as read_settings
from agentpg.desk.undo_file import Place, UndoFile, read_undo, require_here, write_undo
from agentpg.errors import UndoElsewhere, UndoUnreadable

pytestmark = pytest.mark.without_server

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

# Each as the version before this one has written it.
_FORMER = {
    "settings": """\
-- agentpg: undo of settings; server 17
-- 2026-03-01T12:00:00+00:00, db:5432/agentic_ai
-- agentpg tune settings --undo FILE, or psql -f FILE as a superuser
ALTER SYSTEM SET "work_mem" = '4MB';
ALTER ROLE "a;
b" RESET "statement_timeout";
SELECT pg_catalog.pg_reload_conf();
""",
    "indexes": """\
-- Undoes: DROP INDEX CONCURRENTLY public.two
--   psql --no-psqlrc --set ON_ERROR_STOP=1 --file THIS_FILE
-- It is not for a transaction: rows can be written meanwhile.
\\set ON_ERROR_STOP on
SET lock_timeout = '1min';
SET default_tablespace = '';
CREATE INDEX CONCURRENTLY "tw;o" ON public.t USING btree (b) WHERE (c <> ';'::text);
ALTER INDEX public."tw;o" ALTER COLUMN 1 SET STATISTICS 250;
COMMENT ON INDEX "public"."tw;o" IS  E'it''s;\\nhere';
""",
    "security": """\
-- What takes back the changes of 2026-03-01 12:00:00 UTC.
ALTER SYSTEM RESET log_connections; SELECT pg_reload_conf();
""",
}


def test_the_forms_from_before_are_read(tmp_path: Path) -> None:
    for kind, text in _FORMER.items():
        (tmp_path / kind).write_text(text, encoding="utf-8")
    settings = read_settings(tmp_path / "settings")
    assert settings.system == "17"
    assert [one.label for one in settings.changes] == ["work_mem", "statement_timeout@a;\nb"]
    index = of_indexes.read_undo(tmp_path / "indexes")
    assert len(index.statements) == 5
    assert index.statements[-1].startswith('COMMENT ON INDEX "public"."tw;o"')
    security = of_security.read_undo(tmp_path / "security")
    assert security.statements == ("ALTER SYSTEM RESET log_connections", "SELECT pg_reload_conf()")


def test_what_is_written_is_read_by_its_own_command_and_where_it_belongs(tmp_path: Path) -> None:
    statements = ("COMMENT ON INDEX \"a\n--;\" IS 'b;\n'", "SET lock_timeout = '1min'")
    here = Place(system="17", database='odd"\n; name')
    file = UndoFile(kind="indexes", statements=statements, place=here)
    paths = [
        write_undo(tmp_path, file, done="x\nDROP TABLE y;", now=NOW, name="drop-a/b")
        for _ in range(2)
    ]
    names = [path.name for path in paths]
    assert names == [f"indexes-20260301T120000Z-drop-a_b{n}.sql" for n in ("", "-2")]
    assert paths[0].stat().st_mode & 0o777 == 0o600
    assert of_indexes.read_undo(paths[1]) == file
    with pytest.raises(UndoUnreadable, match="another command"):
        read_settings(paths[0])
    for there in (Place(system="18"), Place(system="17", database="other")):
        with pytest.raises(UndoElsewhere):
            require_here(file, paths[0], there, "db")
    require_here(file, paths[0], here, "db")
    require_here(file, paths[0], Place(), "db")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1;\n", "not written by agentpg"),
        ('-- agentpg undo 2 {"kind": "indexes"}\n', "a later version"),
        ("-- agentpg undo 1 {kind}\n", "not written by agentpg"),
        ('-- agentpg undo 1 {"kind": "indexes"}\n\\! rm -r /\n', "a line"),
        ('-- agentpg undo 1 {"kind": "indexes"}\nDROP TABLE tasks;\n', "a line"),
        ('-- agentpg undo 1 {"kind": "indexes"}\nSET lock_timeout = \'1min\'', "a line"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "undo.sql"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UndoUnreadable, match=said):
        of_indexes.read_undo(path)
    with pytest.raises(UndoUnreadable):
        read_undo(path, "settings")
