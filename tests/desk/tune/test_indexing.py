"""Indexes for what runs: proposed, measured on a copy, made, undone, and cleaned up after."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.db import Database, ServerError, connect
from agentpg.desk.check import Unlooked
from agentpg.desk.tune.indexing.actions import Action, named_actions, safe_actions
from agentpg.desk.tune.indexing.applying import ApplyOptions, Done, apply
from agentpg.desk.tune.indexing.conditions import Condition, asked_of_tables, parts_of
from agentpg.desk.tune.indexing.copying import CopyOptions
from agentpg.desk.tune.indexing.looking import View, look
from agentpg.desk.tune.indexing.trying import try_proposals
from agentpg.desk.tune.plans.reading import Question, query_of, read_plan
from agentpg.desk.tune.plans.tree import plan_of
from agentpg.desk.turn import UNDISTURBED, turn
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import (
    IndexKept,
    IndexLeft,
    IndexNotFound,
    IndexNotMade,
    PermissionDenied,
    QueryNotFound,
    StatementOfOthers,
    WorkUnderWay,
)
from tests.desk.tune.busy import KEEPS_STATEMENTS, make_busy
from tests.servers import PG_BIN, Mould, OwnServers, Reaper

# What they share is made once.
pytestmark = pytest.mark.xdist_group("indexes for what runs")


@pytest.fixture(scope="module")
def shop(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Database]]:
    """A busy database on a server that keeps statements, as its owner and as superuser."""
    servers = OwnServers(tmp_path_factory.mktemp("shop"), reaper, mould)
    server = servers(options=KEEPS_STATEMENTS)
    server.start()
    make_busy(server)
    superuser = Database(server.dsn("postgres"))
    with connect(superuser) as connection:
        connection.execute(b"GRANT pg_read_all_stats TO admin")
        connection.execute(b"SELECT count(*) AS of_another_role FROM pg_class")
    yield Database(server.dsn()), superuser
    servers.close()


@pytest.fixture
def options(tmp_path: Path) -> ApplyOptions:
    short = timedelta(milliseconds=200)
    return ApplyOptions(home=tmp_path / "home", lock_timeout=short, clearing_timeout=short)


def _named(view: View, name: str) -> tuple[Action, ...]:
    return named_actions(view, [name])


def _done(database: Database, actions: tuple[Action, ...], options: ApplyOptions) -> list[Done]:
    done: list[Done] = []
    apply(database, actions, options, done.append)
    return done


def _there(database: Database) -> set[str]:
    with connect(database) as connection:
        rows = connection.execute(
            b"SELECT relname::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
            b"WHERE relnamespace = 'public'::regnamespace AND indisvalid"
        )
        return {name for (name,) in rows.fetchall()}


def test_it_is_measured_before_it_is_said_to_be_quicker(
    shop: tuple[Database, Database], tmp_path: Path, options: ApplyOptions
) -> None:
    database, _ = shop
    view = look(database, 50)
    assert not isinstance(view.workload, Unlooked)
    assert view.workload.others > 0
    proposed = {one.name: one for one in view.proposals}
    assert {"public.buyers_city_idx", "public.orders_state_when_idx"} <= set(proposed)
    assert {one.outcome for one in view.proposals} == {"not tested"}
    assert proposed["public.orders_state_when_idx"].cost.hot_lost == ("state",)
    assert proposed["public.orders_state_when_idx"].cost.indexes == 3
    parent = tmp_path / "scratch"
    tried = view.with_proposals(
        try_proposals(
            database, view.proposals, CopyOptions(parent=parent, pg_bin=PG_BIN), lambda _: None
        )
    )
    assert list(parent.iterdir()) == []
    outcomes = {one.name: one.outcome for one in tried.proposals}
    assert outcomes["public.orders_state_when_idx"] == "quicker"
    assert "no gain" in outcomes.values()
    quick = [one for one in tried.proposals if one.outcome == "quicker"]
    for one in quick:
        assert one.trial is not None
        assert one.trial.after_ms < one.trial.before_ms
        assert one.trial.used_by
        assert one.trial.insert_after_ms
    actions = safe_actions(tried)
    twice = _twice(tried)
    assert {(one.kind, one.name) for one in actions} == {
        ("drop", f"public.{twice}"),
        *(("create", one.name) for one in quick),
    }
    done = _done(database, actions, options)
    assert all(one.used_by for one in done if one.action.kind == "create")
    assert twice not in _there(database)
    assert {one.plain_name for one in quick} <= _there(database)
    _undo(database, done)
    assert _there(database) == {"buyers_pkey", "orders_pkey", "twice_a", "twice_b"}
    with connect(database) as connection:
        said = connection.execute(
            b"SELECT obj_description(%(name)s::regclass), pg_get_indexdef(%(name)s::regclass)",
            {"name": twice},
        ).fetchone()
    assert said is not None
    assert said[0] == "it's one"
    assert "fillfactor='70'" in said[1]


def _twice(view: View) -> str:
    """The one of the two that is not used."""
    [finding] = [one for one in view.findings if one.code == "I03" and one.level == "warning"]
    return finding.subject.removeprefix("public.")


def _undo(database: Database, done: list[Done]) -> None:
    psql = find_binaries(PG_BIN).tool("psql")
    for one in done:
        assert one.undo is not None
        assert one.undo.stat().st_mode & 0o077 == 0
        subprocess.run(
            [psql, "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--file", one.undo, database.dsn],
            check=True,
            capture_output=True,
        )


@pytest.mark.one_server
def test_of_a_large_table_a_part_is_copied(shop: tuple[Database, Database], tmp_path: Path) -> None:
    database, _ = shop
    wanted = [one for one in look(database, 50).proposals if one.name == "public.buyers_city_idx"]
    options = CopyOptions(parent=tmp_path / "scratch", pg_bin=PG_BIN, most_bytes=400_000)
    [one] = try_proposals(database, wanted, options, lambda _: None)
    assert one.trial is not None
    assert 0 < one.trial.share < 0.6


def test_what_fails_leaves_nothing(shop: tuple[Database, Database], options: ApplyOptions) -> None:
    database, _ = shop
    before = _there(database)
    build = _named(look(database, 50), "public.buyers_city_idx")
    worn = Action(
        kind="rebuild", name="public.buyers_pkey", sql="", oid=_oid(database, "buyers_pkey")
    )
    with connect(database, autocommit=False) as holder:
        # Whoever may still look at rows of before holds up every build.
        holder.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute(b"SELECT count(*) FROM elsewhere")
        for actions in (build, (worn,)):
            with pytest.raises(IndexNotMade):
                _done(database, actions, options)
    assert _invalid(database) == []
    assert _there(database) == before


def test_what_can_not_be_removed_is_named(
    shop: tuple[Database, Database], options: ApplyOptions
) -> None:
    database, _ = shop
    build = _named(look(database, 50), "public.buyers_city_idx")
    with connect(database, autocommit=False) as holder:
        holder.execute(b"UPDATE buyers SET note = note WHERE id = 1")
        with pytest.raises(IndexLeft) as caught:
            _done(database, build, options)
    assert caught.value.values["left"] == "public.buyers_city_idx"
    assert _invalid(database) == ["buyers_city_idx"]
    view = look(database, 50)
    assert "public.buyers_city_idx" in {one.subject for one in view.findings if one.code == "I05"}
    _done(database, _named(view, "public.buyers_city_idx"), options)
    assert "buyers_city_idx" in _there(database)
    with connect(database) as connection:
        connection.execute(b"DROP INDEX buyers_city_idx")


def _invalid(database: Database) -> list[str]:
    with connect(database) as connection:
        rows = connection.execute(
            b"SELECT relname::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
            b"WHERE NOT indisvalid"
        )
        return [name for (name,) in rows.fetchall()]


def _oid(database: Database, name: str) -> int:
    with connect(database) as connection:
        found = connection.execute(b"SELECT to_regclass(%s)::oid::bigint", [name]).fetchone()
    assert found is not None
    return int(found[0])


def test_what_something_stands_on_is_kept(
    shop: tuple[Database, Database], options: ApplyOptions
) -> None:
    database, _ = shop
    view = look(database, 50)
    for name in ("public.orders_pkey", "buyers_pkey"):
        with pytest.raises(IndexKept):
            _named(view, name)
    with pytest.raises(IndexNotFound):
        _named(view, "nobody_idx")
    other = Action(kind="drop", name="public.twice_a", sql="", oid=1)
    with pytest.raises(IndexKept):
        _done(database, (other,), options)
    twice = _named(view, _twice(view))
    with (
        connect(database) as connection,
        turn(connection, database.schema, UNDISTURBED),
        pytest.raises(WorkUnderWay),
    ):
        _done(database, twice, options)


def test_who_may_not_is_told_so(shop: tuple[Database, Database], options: ApplyOptions) -> None:
    database, superuser = shop
    with connect(superuser) as connection:
        connection.execute(b"CREATE ROLE reads_little")
    little = superuser.with_settings(role="reads_little", search_path="public")
    twice = _named(look(database, 50), _twice(look(database, 50)))
    with pytest.raises(PermissionDenied):
        _done(little, twice, options)
    with pytest.raises(PermissionDenied):
        read_plan(little, Question(statement="SELECT * FROM orders"))
    seen = look(little, 50)
    assert {one.outcome for one in seen.proposals} <= {"not tested"}
    with connect(superuser) as connection:
        connection.execute(b"DROP ROLE reads_little")


def test_a_broken_one_is_built_anew_and_what_is_left_goes(
    shop: tuple[Database, Database], options: ApplyOptions
) -> None:
    database, _ = shop
    with connect(database) as connection:
        connection.execute(
            b"CREATE TABLE torn AS SELECT n / 2 AS n FROM generate_series(1, 9) AS n"
        )
        for name in (b"torn_n", b"torn_n_ccnew"):
            with pytest.raises(ServerError):
                connection.execute(b"CREATE UNIQUE INDEX CONCURRENTLY " + name + b" ON torn (n)")
        connection.execute(b"DELETE FROM torn")
        actions = safe_actions(look(database, 50))
        kinds = {one.name: one.kind for one in actions if "torn" in one.name}
        assert kinds == {"public.torn_n": "rebuild", "public.torn_n_ccnew": "clear"}
        _done(database, tuple(one for one in actions if "torn" in one.name), options)
        assert "torn_n" in _there(database)
        connection.execute(b"DROP TABLE torn")


@pytest.mark.one_server
def test_what_can_not_be_copied_is_not_measured(
    shop: tuple[Database, Database], tmp_path: Path
) -> None:
    database, _ = shop
    with connect(database) as connection:
        # A private server has this port, and no other has it here.
        connection.execute(
            b"CREATE TABLE picky (n int CHECK (current_setting('port') <> '5432'), m int)"
        )
        connection.execute(b"INSERT INTO picky SELECT n, n FROM generate_series(1, 11000) AS n")
        connection.execute(b"ANALYZE picky")
        connection.execute(b"SELECT * FROM picky WHERE m = %s", ("7",))
    wanted = [one for one in look(database, 50).proposals if one.table == "public.picky"]
    options = CopyOptions(parent=tmp_path / "scratch", pg_bin=PG_BIN)
    [one] = try_proposals(database, wanted, options, lambda _: None)
    assert (one.outcome, one.trial) == ("unknown", None)
    assert "picky_check" in one.reason
    with connect(database) as connection:
        connection.execute(b"DROP TABLE picky")


def test_our_own_are_never_to_go(database: Database) -> None:
    with connect(database) as connection:
        connection.execute(b"CREATE INDEX mine ON tasks (agent_name)")
    view = look(database, 10)
    assert [one.name for one in safe_actions(view)] == ["agentic_ai.mine"]
    with pytest.raises(IndexKept):
        named_actions(view, ["agentic_ai.tasks_agent_name_idx"])


def test_a_foreign_key_gets_its_index(empty_database: Database, options: ApplyOptions) -> None:
    with connect(empty_database) as connection:
        connection.execute(
            b"CREATE TABLE one (id int PRIMARY KEY); INSERT INTO one SELECT generate_series(1, 20);"
            b"CREATE TABLE many AS SELECT n % 20 + 1 AS one FROM generate_series(1, 11000) AS n;"
            b"ALTER TABLE many ADD FOREIGN KEY (one) REFERENCES one; ANALYZE many"
        )
        assert safe_actions(look(empty_database, 10)) == ()
        # Only where rows of the other table go does it matter.
        connection.execute(b"INSERT INTO one VALUES (99); DELETE FROM one WHERE id = 99")
        connection.execute(b"SELECT pg_stat_force_next_flush()")
    view = look(empty_database, 10)
    [action] = safe_actions(view)
    assert (action.kind, action.name) == ("create", "public.many_one_idx")
    assert named_actions(view, ["many_one_idx"]) == (action,)
    _done(empty_database, (action,), options)
    found = {one.code: one.level for one in look(empty_database, 10).findings}
    assert found["I07"] == "ok"


def test_a_table_with_partitions_gets_its_index_by_hand(empty_database: Database) -> None:
    with connect(empty_database) as connection:
        connection.execute(
            b"CREATE TABLE one (id int PRIMARY KEY);"
            b"CREATE TABLE many (one int REFERENCES one, n int) PARTITION BY RANGE (n);"
            b"CREATE TABLE part PARTITION OF many FOR VALUES FROM (0) TO (9)"
        )
    view = look(empty_database, 10)
    assert view.proposals == ()
    [finding] = [one for one in view.findings if one.code == "I07"]
    assert finding.subject == "public.many"
    assert finding.remedies[0].sql == "CREATE INDEX ON public.many (one)"


def test_a_statement_is_explained_by_its_number(shop: tuple[Database, Database]) -> None:
    database, superuser = shop
    ours = _number(superuser, "SELECT * FROM orders%")
    assert query_of(database, ours).startswith("SELECT * FROM orders WHERE buyer = $1")
    with pytest.raises(StatementOfOthers):
        query_of(database, _number(superuser, "%of_another_role FROM%"))
    with pytest.raises(QueryNotFound):
        query_of(database, 1)


def _number(superuser: Database, text: str) -> int:
    numbers = b"SELECT queryid FROM public.pg_stat_statements WHERE query LIKE %s LIMIT 1"
    with connect(superuser) as connection:
        found = connection.execute(numbers, [text]).fetchone()
    assert found is not None
    return int(found[0])


def test_the_planner_is_asked_where_hypopg_is(shop: tuple[Database, Database]) -> None:
    database, superuser = shop
    with connect(superuser) as connection:
        try:
            connection.execute(b"CREATE EXTENSION hypopg SCHEMA public")
        except ServerError:
            pytest.skip("HypoPG is not installed for this server")
        outcomes = {one.name: one.outcome for one in look(database, 50).proposals}
        connection.execute(b"DROP EXTENSION hypopg")
    assert outcomes["public.buyers_city_idx"] == "would be used"
    assert "quicker" not in outcomes.values()


@pytest.mark.without_server
@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("((t.a = $1) AND (t.b > 'x AND y'::text))", ("t.a = $1", "t.b > 'x AND y'::text")),
        ("((t.a = 1) OR (t.b = 2))", ()),
        ("(t.a = 'it''s (' AND t.b)", ("t.a = 'it''s ('", "t.b")),
        ("", ()),
    ],
)
def test_conditions_are_told_apart(text: str, parts: tuple[str, ...]) -> None:
    assert parts_of(text) == parts


@pytest.mark.without_server
def test_what_is_asked_of_a_table() -> None:
    wanted = (
        "(((t.state)::text = ($1)::text) AND (t.n >= $2) AND (t.gone IS NULL) AND (NOT t.done) "
        'AND (t."Odd" = ANY ($3)) AND (lower(t.name) = $4) AND (t.n = (t.m + 1)))'
    )
    node = {
        "Node Type": "Seq Scan",
        "Schema": "s",
        "Relation Name": "tab",
        "Alias": "t",
        "Filter": wanted,
    }
    sort = {"Node Type": "Sort", "Sort Key": ["t.n DESC"], "Plans": [node]}
    plan = plan_of({"Plan": {"Node Type": "Limit", "Plans": [sort]}}, "SELECT")
    [asked] = asked_of_tables(plan)
    assert asked.order == (("n", "DESC"),)
    assert asked.conditions == (
        Condition(table="s.tab", column="state", kind="equal", parameter=1),
        Condition(table="s.tab", column="n", kind="above", parameter=2),
        Condition(table="s.tab", column="gone", kind="null"),
        Condition(table="s.tab", column="done", kind="false"),
        Condition(table="s.tab", column="Odd", kind="any", parameter=3),
    )
