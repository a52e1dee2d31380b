"""Changes of indexes do no harm: nothing of others goes, and what undoes them is exact."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.db import Database, ServerError, connect
from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.indexes.facts import Server
from agentpg.desk.doctor.indexes.looking import look_at_indexes
from agentpg.desk.doctor.indexes.policy import Policy
from agentpg.desk.tune.indexing.actions import Action, named_actions, safe_actions
from agentpg.desk.tune.indexing.applying import ApplyOptions, Done, apply
from agentpg.desk.tune.indexing.copying import CopyOptions, _shares
from agentpg.desk.tune.indexing.looking import View, look
from agentpg.desk.tune.indexing.trying import try_proposals
from agentpg.desk.undo_file import Place
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import IndexKept, IndexNotMade, IndexTooLarge, UsageError
from tests.desk.doctor.disk.sample import a_volume, facts
from tests.desk.tune.busy import KEEPS_STATEMENTS, make_busy
from tests.servers import PG_BIN, OwnServers
from tests.waiting import eventually

_ODD = b"""
    CREATE COLLATION special FROM "C";
    CREATE FUNCTION first_of(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT left($1, 1)';
    CREATE TABLE "Odd; table" (a text, "b %s" text, c int, d int);
    CREATE INDEX "twice
CREATE TABLE public.escaped (); -- 100 %s ""it's" ON "Odd; table"
        (a COLLATE special text_pattern_ops DESC NULLS LAST, public.first_of("b %s")) INCLUDE (d)
        WITH (fillfactor = 55, deduplicate_items = off) WHERE c % 2 = 0 AND a <> '%';
    ALTER INDEX "twice
CREATE TABLE public.escaped (); -- 100 %s ""it's" ALTER COLUMN 2 SET STATISTICS 250;
    COMMENT ON INDEX "twice
CREATE TABLE public.escaped (); -- 100 %s ""it's" IS
        E'it''s\nCREATE TABLE public.escaped (); \\\\ %s';
"""

_SEEN = b"""
    SELECT pg_get_indexdef(i.indexrelid), obj_description(i.indexrelid), reltablespace,
        ARRAY(SELECT to_jsonb(a) ->> 'attstattarget' FROM pg_attribute AS a
              WHERE attrelid = i.indexrelid ORDER BY attnum),
        to_regclass('public.escaped')
    FROM pg_index AS i JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relname LIKE 'twice%'
"""


@pytest.fixture
def options(tmp_path: Path) -> ApplyOptions:
    short = timedelta(milliseconds=200)
    return ApplyOptions(home=tmp_path / "home", lock_timeout=short, clearing_timeout=short)


def _done(database: Database, action: Action, options: ApplyOptions) -> Done:
    done: list[Done] = []
    apply(database, (action,), options, done.append)
    return done[0]


def _oid(database: Database, name: str) -> int:
    with connect(database) as connection:
        [(oid,)] = connection.execute(b"SELECT %s::regclass::oid::bigint", [name]).fetchall()
    return int(oid)


def test_what_undoes_is_exact_and_a_name_runs_nothing(
    empty_database: Database, options: ApplyOptions
) -> None:
    with connect(empty_database) as connection:
        connection.execute(_ODD)
        before = connection.execute(_SEEN).fetchall()
        [(name, oid)] = connection.execute(
            b"SELECT format('public.%I', relname), oid::bigint FROM pg_class "
            b"WHERE relname LIKE 'twice%'"
        ).fetchall()
        action = Action(kind="drop", name=name, sql=f"DROP INDEX CONCURRENTLY {name}", oid=oid)
        done = _done(empty_database, action, options)
        assert done.undo is not None
        assert connection.execute(_SEEN).fetchall() == []
        psql = find_binaries(PG_BIN).tool("psql")
        command: list[str | Path] = [psql, "--no-psqlrc", "--set", "ON_ERROR_STOP=1"]
        command += ["--file", done.undo, empty_database.with_settings(search_path="").dsn]
        subprocess.run(command, check=True, capture_output=True)
        assert connection.execute(_SEEN).fetchall() == before
    assert before[0][-1] is None


def test_a_name_in_two_schemas_is_asked_for_whole(empty_database: Database) -> None:
    with connect(empty_database) as connection:
        connection.execute(
            b"CREATE SCHEMA other; CREATE TABLE t (n int); CREATE TABLE other.t (n int);"
            b"CREATE INDEX kept ON other.t (n);"
            b"CREATE INDEX same ON other.t (n); CREATE INDEX same ON t (n)"
        )
    view = look(empty_database, 10)
    with pytest.raises(UsageError) as caught:
        named_actions(view, ["same"])
    assert "other.same" in str(caught.value)
    assert named_actions(view, ["other.same"]) == safe_actions(view) != ()


def test_what_others_have_made_meanwhile_stays(
    empty_database: Database, options: ApplyOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(empty_database) as connection:
        connection.execute(
            b"CREATE TABLE one (id int PRIMARY KEY); CREATE TABLE many (one int REFERENCES one);"
        )
        [action] = named_actions(look(empty_database, 10), ["many_one_idx"])
        made = options.home / "undo"
        _when(monkeypatch, lambda: connection.execute(b"CREATE INDEX many_one_idx ON many (one)"))
        with pytest.raises(IndexNotMade):
            _done(empty_database, action, options)
        assert made.is_dir()
        assert _oid(empty_database, "many_one_idx")


def _when(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Something that others do once it was looked and before it is done."""
    from agentpg.desk.tune.indexing import applying

    write: Callable[..., Path] = vars(applying)["write_undo"]

    def written(home: Path, place: Place, name: str, done: str, statements: list[str]) -> Path:
        happens()
        return write(home, place, name, done, statements)

    monkeypatch.setattr(applying, "write_undo", written)


def test_what_the_disk_has_no_room_for_is_not_built(
    empty_database: Database, options: ApplyOptions
) -> None:
    with connect(empty_database) as connection:
        connection.execute(
            b"CREATE TABLE one (id int PRIMARY KEY); CREATE TABLE many (one int REFERENCES one);"
            b"INSERT INTO one SELECT generate_series(1, 5000);"
            b"INSERT INTO many SELECT id FROM one; ANALYZE"
        )
    [made] = named_actions(look(empty_database, 10), ["many_one_idx"])
    key, oid = "public.one_pkey", _oid(empty_database, "one_pkey")
    anew = Action(kind="rebuild", name=key, sql="", oid=oid)
    for action in (made, anew):
        small = replace(options, disks=lambda: facts(a_volume(free_bytes=64 * 1024)))
        with pytest.raises(
            IndexTooLarge, match=r"takes about \d+ kB in /data, where 64 kB are free"
        ):
            _done(empty_database, action, small)
        assert not (options.home / "undo").exists()
    # Where nobody knows it is built, and that is said.
    done = _done(empty_database, anew, replace(options, disks=lambda: facts(places=())))
    assert (done.unseen, bool(done.needed_bytes)) == ("data_directory", True)
    done = _done(empty_database, made, replace(options, disks=facts))
    assert (done.unseen, done.needed_bytes) == ("", None)


def test_what_others_build_is_not_taken_for_ours(
    empty_database: Database, options: ApplyOptions
) -> None:
    with connect(empty_database) as connection:
        connection.execute(b"CREATE TABLE torn AS SELECT 1 AS n FROM generate_series(1, 2)")
        connection.execute(b"CREATE INDEX torn_ccnew ON torn (n)")
        with pytest.raises(ServerError):
            connection.execute(b"CREATE UNIQUE INDEX CONCURRENTLY torn_n ON torn (n)")
    view = look(empty_database, 10)
    [action] = safe_actions(view)
    assert action.kind == "rebuild"
    for builds in (frozenset({None}), Unlooked("hidden")):
        facts = replace(view.facts, builds=builds)
        unsure = View(facts=facts, findings=(), workload=view.workload, proposals=())
        assert safe_actions(unsure) == ()
        with pytest.raises(IndexKept):
            named_actions(unsure, ["torn_n"])
    mended = Action(
        kind="clear", name="public.torn_ccnew", sql="", oid=_oid(empty_database, "torn_ccnew")
    )
    with pytest.raises(IndexKept):
        _done(empty_database, mended, options)


def test_a_crash_begins_the_counting_anew(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    database = Database(server.dsn("postgres"))
    with connect(database) as connection:
        [(pid, begun)] = connection.execute(
            b"SELECT pg_backend_pid(), clock_timestamp()"
        ).fetchall()
        os.kill(pid, signal.SIGKILL)
    facts = eventually(lambda: _of_server(database))
    assert facts is not None
    assert facts.counted_since > begun


def _of_server(database: Database) -> Server | None:
    found = look_at_indexes(database, Policy()).server
    return None if isinstance(found, Unlooked) else found


@pytest.mark.one_server
def test_what_others_wrote_runs_on_no_copy_as_a_superuser(
    own_server: OwnServers, tmp_path: Path
) -> None:
    server = own_server(options=KEEPS_STATEMENTS)
    server.start()
    make_busy(server)
    database, escaped = Database(server.dsn()), tmp_path / "escaped"
    with connect(database) as connection:
        connection.execute(_PLANTED.format(path=escaped).encode())
    wanted = [one for one in look(database, 50).proposals if one.name == "public.buyers_city_idx"]
    options = CopyOptions(parent=tmp_path / "scratch", pg_bin=PG_BIN, most_bytes=5_000_000)
    [one] = try_proposals(database, wanted, options, lambda _: None)
    assert one.trial is not None, one.reason
    assert one.outcome == "quicker"
    assert not escaped.exists()


# On the server the owner may not do it, and its error is caught.
_PLANTED = """
    CREATE FUNCTION planted(anyelement) RETURNS anyelement LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        COPY (SELECT 1) TO PROGRAM 'touch {path}; chmod 777 {path}';
        RETURN $1;
    EXCEPTION WHEN OTHERS THEN RETURN $1;
    END $$;
    ALTER TABLE buyers ADD CHECK (planted(id) IS NOT NULL);
"""


@pytest.mark.without_server
def test_small_tables_are_copied_as_a_whole() -> None:
    sizes = {"looked_up": 8192, "large": 10**12, "empty": 0, "other": 10**12}
    shares = _shares(sizes, 10**9)
    assert shares["looked_up"] == shares["empty"] == 1
    assert shares["large"] == pytest.approx(shares["other"]) == pytest.approx(0.0005, rel=0.01)


def test_what_is_not_alike_is_no_duplicate(empty_database: Database) -> None:
    with connect(empty_database) as connection:
        connection.execute(
            b"CREATE TABLE t (n int, d tsvector);"
            b"CREATE INDEX ON t USING brin (n) WITH (pages_per_range = 2);"
            b"CREATE INDEX ON t USING brin (n) WITH (pages_per_range = 200);"
            b"CREATE INDEX ON t USING gist (d tsvector_ops (siglen = 8));"
            b"CREATE INDEX ON t USING gist (d tsvector_ops (siglen = 800))"
        )
    assert safe_actions(look(empty_database, 10)) == ()
