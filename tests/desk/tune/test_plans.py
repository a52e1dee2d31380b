"""Plans: read without harm, each cause made for real, named, and gone once it is mended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from agentpg.db import Database, connect
from agentpg.desk.tune.plans.findings import CHECKS, find
from agentpg.desk.tune.plans.reading import Question, query_of, read_plan
from agentpg.desk.tune.plans.tree import TableFact, plan_of
from agentpg.errors import (
    EffectStays,
    ParametersMissing,
    PermissionDenied,
    SeveralStatements,
    StatementLocked,
    StatementNotPlanned,
    StatementsNotKept,
    StatementTooSlow,
    WriteNotRun,
)
from tests.servers import SharedServer

# What they share is made once.
pytestmark = pytest.mark.xdist_group("plans of statements")

_TABLES = """
    CREATE TABLE many AS
    SELECT n, n * 7919 % 1000 AS part, n % 1000 AS same, repeat('x', 200) AS text
    FROM generate_series(1, 60000) AS n;
    CREATE TABLE few AS SELECT n FROM generate_series(1, 300) AS n;
    CREATE TABLE skewed AS
    SELECT CASE WHEN n % 4000 = 0 THEN n ELSE 0 END AS kind, repeat('x', 100) AS text
    FROM generate_series(1, 40000) AS n;
    CREATE INDEX ON skewed (kind);
    CREATE TABLE parts (n int, day int) PARTITION BY RANGE (day);
    CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE part_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
    CREATE TABLE part_3 PARTITION OF parts FOR VALUES FROM (20) TO (30);
    INSERT INTO parts SELECT n, n % 30 FROM generate_series(1, 300) AS n;
    ANALYZE;
    CREATE TABLE read_only_index (n int PRIMARY KEY) WITH (autovacuum_enabled = off);
    INSERT INTO read_only_index SELECT generate_series(1, 5000);
    CREATE TABLE old (n int, kind int) WITH (autovacuum_enabled = off);
    INSERT INTO old SELECT n, n % 4 FROM generate_series(1, 40) AS n;
    ANALYZE old, read_only_index;
    INSERT INTO old SELECT n, 5 FROM generate_series(1, 5000) AS n;
"""


@pytest.fixture(scope="module")
def shop(shared_server: SharedServer) -> Iterator[Database]:
    """A database of its own, for all of them; no test leaves it otherwise than it was."""
    with shared_server.database(empty=True) as database:
        quick = database.with_settings(jit="off", max_parallel_workers_per_gather="0")
        with connect(quick) as connection:
            connection.execute(_TABLES.encode())
        yield quick


def _codes(database: Database, statement: str, *parameters: str, analyze: bool = True) -> set[str]:
    question = Question(statement=statement, parameters=parameters, analyze=analyze)
    return {finding.code for finding in find(read_plan(database, question))}


_SMALL = {"work_mem": "64kB"}
_LARGE = {"work_mem": "64MB"}

# The code, a statement, and settings under which it is there, and not.
_BY_SETTINGS = {
    "P04": (
        "SELECT count(text) FROM many WHERE part < 100",
        {**_SMALL, "enable_seqscan": "off", "enable_indexscan": "off"},
        {**_LARGE, "enable_seqscan": "off", "enable_indexscan": "off"},
    ),
    "P05": ("SELECT * FROM many ORDER BY text, n", _SMALL, _LARGE),
    "P06": (
        "SELECT count(*) FROM many JOIN skewed ON many.n = skewed.kind",
        {**_SMALL, "enable_mergejoin": "off", "enable_nestloop": "off"},
        {**_LARGE, "enable_mergejoin": "off", "enable_nestloop": "off"},
    ),
    "P11": (
        "SELECT count(*) FROM many",
        {
            "max_parallel_workers_per_gather": "2",
            "max_parallel_workers": "0",
            "parallel_setup_cost": "0",
            "parallel_tuple_cost": "0",
            "min_parallel_table_scan_size": "0",
        },
        {},
    ),
    # Neither a sort nor a hash: rows are kept until they are read.
    "P13": (
        "WITH kept AS MATERIALIZED ("
        "SELECT repeat('x', 1000) || n AS text FROM generate_series(1, 75000) AS n)"
        " SELECT count(text) FROM kept",
        _SMALL,
        {"work_mem": "256MB"},
    ),
    "P18": ("SELECT count(*) FROM few", {"enable_seqscan": "off"}, {}),
}


@pytest.mark.one_server
@pytest.mark.parametrize("code", _BY_SETTINGS)
def test_what_settings_make_and_mend(shop: Database, code: str) -> None:
    statement, bad, good = _BY_SETTINGS[code]
    if code == "P04":
        with connect(shop) as connection:
            connection.execute(b"CREATE INDEX IF NOT EXISTS many_part ON many (part)")
    assert code in _codes(shop.with_settings(**bad), statement)
    assert code not in _codes(shop.with_settings(**good), statement)


_JOINS = "SELECT 1 FROM " + " NATURAL JOIN ".join(f"few AS f{n}" for n in range(9)) + " LIMIT 0"


@pytest.mark.one_server
def test_planning_takes_longer_than_running(shop: Database) -> None:
    any_order = {"join_collapse_limit": "20", "geqo": "off"}
    assert "P10" in _codes(shop.with_settings(**any_order), _JOINS)
    assert "P10" not in _codes(shop.with_settings(join_collapse_limit="1"), _JOINS)


def test_compiling_takes_longer_than_it_saves(shop: Database) -> None:
    with connect(shop) as connection:
        if connection.execute(b"SELECT pg_jit_available()").fetchone() != (True,):
            pytest.skip("this server was built without LLVM")
    always = {"jit": "on", "jit_above_cost": "0", "jit_optimize_above_cost": "0"}
    assert "P09" in _codes(shop.with_settings(**always), "SELECT sum(n + 1) FROM few")
    assert "P09" not in _codes(shop, "SELECT sum(n) FROM few")


# The code, a statement that has it, and one that asks the same and has it not.
_BY_STATEMENT = {
    "P02": ("SELECT * FROM many WHERE same = 7", "SELECT * FROM many WHERE same > 7"),
    "P03": (
        "SELECT count(*) FROM few JOIN many ON few.n + many.n < 10 WHERE many.n < 2000",
        "SELECT count(*) FROM few JOIN many ON few.n = many.n WHERE many.n < 2000",
    ),
    "P08": (
        "SELECT n, (SELECT max(few.n) FROM few WHERE few.n <= many.n) FROM many WHERE part < 5",
        "SELECT n, (SELECT max(few.n) FROM few) FROM many WHERE part < 5",
    ),
    "P14": (
        "SELECT * FROM parts WHERE day + 0 = 3",
        "SELECT * FROM parts WHERE day = 3",
    ),
    "P17": (
        "SELECT n FROM many ORDER BY text, n LIMIT 5",
        "SELECT n FROM many LIMIT 5",
    ),
}


@pytest.mark.one_server
@pytest.mark.parametrize("code", _BY_STATEMENT)
def test_what_statements_make_and_mend(shop: Database, code: str) -> None:
    bad, good = _BY_STATEMENT[code]
    assert code in _codes(shop, bad)
    assert code not in _codes(shop, good)


def test_old_statistics_and_the_loops_that_come_of_them(shop: Database) -> None:
    looped = shop.with_settings(enable_hashjoin="off", enable_mergejoin="off")
    statement = "SELECT count(*) FROM old JOIN read_only_index USING (n) WHERE kind = 5"
    plan = read_plan(looped, Question(statement=statement, analyze=True))
    found = {finding.code: finding for finding in find(plan)}
    assert {"P01", "P07"} <= set(found)
    assert "old" in found["P01"].subject
    assert found["P01"].remedies[0].sql == "ANALYZE public.old"
    with connect(shop) as connection, connection.transaction(force_rollback=True):
        # Within, since what others of these tests find must stay.
        connection.execute(b"ANALYZE old")
        explained = connection.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode()
        ).fetchone()
    assert explained is not None
    mended = find(plan_of(explained[0][0], statement))
    assert not {"P01", "P07"} & {finding.code for finding in mended}


def test_an_index_alone_that_needs_its_table(shop: Database) -> None:
    alone = shop.with_settings(enable_seqscan="off", enable_bitmapscan="off")
    statement = "SELECT n FROM read_only_index WHERE n < 4000"
    assert "P12" in _codes(alone, statement)
    with connect(shop) as connection:
        connection.execute(b"VACUUM read_only_index")
    assert "P12" not in _codes(alone, statement)


def test_a_plan_for_any_parameters_is_a_trap_for_some(shop: Database) -> None:
    statement = "SELECT * FROM skewed WHERE kind = $1"
    assert "P15" in _codes(shop, statement, "4000", analyze=False)
    assert "P15" not in _codes(shop, statement, "0", analyze=False)


def test_a_plan_for_any_parameters_needs_none(shop: Database) -> None:
    question = Question(statement="SELECT * FROM many WHERE same = $1 LIMIT $2;")
    plan = read_plan(shop, question)
    assert (plan.generic, plan.analyzed) == (True, False)
    assert any("$1" in str(node.said.get("Filter")) for node in plan.root)
    [finding] = [one for one in find(plan) if one.code == "P02"]
    assert finding.level == "info"
    with pytest.raises(ParametersMissing):
        read_plan(shop, Question(statement=question.statement, analyze=True))


def test_writes_run_only_where_that_is_said_and_stay_nowhere(shop: Database) -> None:
    delete = "WITH gone AS (DELETE FROM few RETURNING n) SELECT count(*) FROM gone"
    assert read_plan(shop, Question(statement=delete)).analyzed is False
    for statement in (delete, "SELECT * FROM few FOR UPDATE", "SELECT nextval('counting')"):
        with connect(shop) as connection:
            connection.execute(b"CREATE SEQUENCE IF NOT EXISTS counting")
        with pytest.raises(WriteNotRun):
            read_plan(shop, Question(statement=statement, analyze=True))
    assert read_plan(shop, Question(statement=delete, analyze=True, write=True)).analyzed
    with connect(shop) as connection:
        assert connection.execute(b"SELECT count(*) FROM few").fetchone() == (300,)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1; COMMIT",
        "SELECT 1; DROP TABLE few",
        "COMMIT",
        "DO $$ BEGIN COMMIT; END $$",
        "CREATE TABLE escaped ()",
        "EXPLAIN SELECT 1",
        "SELECT 1 FROM nowhere",
        "SELECT '100%' ||",
        " ; ",
    ],
)
@pytest.mark.parametrize("analyze", [True, False])
def test_nothing_escapes(shop: Database, statement: str, analyze: bool) -> None:
    with pytest.raises((StatementNotPlanned, SeveralStatements)):
        read_plan(shop, Question(statement=statement, analyze=analyze, write=analyze))
    with connect(shop) as connection:
        assert connection.execute(b"SELECT to_regclass('few'), to_regclass('escaped')").fetchone()
        assert connection.execute(b"SELECT count(*) FROM few").fetchone() == (300,)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_terminate_backend(0)",
        "SELECT n FROM hidden",
        'SELECT "pg_advisory_lock" (7)',
        "SELECT lo_export(1, '/nowhere')",
    ],
)
@pytest.mark.parametrize("write", [True, False])
def test_what_no_rollback_undoes_is_not_run(shop: Database, statement: str, write: bool) -> None:
    with connect(shop) as connection:
        connection.execute(
            b"CREATE OR REPLACE VIEW hidden AS SELECT n, pg_reload_conf() FROM few WHERE "
            b"pg_cancel_backend(n) OFFSET 0"
        )
    with pytest.raises((EffectStays, PermissionDenied)):
        read_plan(shop, Question(statement=statement, analyze=True, write=write))


def test_rules_that_leave_no_plan_are_said(shop: Database) -> None:
    with connect(shop) as connection, connection.transaction():
        connection.execute(
            b"CREATE TABLE IF NOT EXISTS ruled (n int);"
            b"CREATE OR REPLACE RULE a AS ON INSERT TO ruled DO INSTEAD NOTHING;"
            b"CREATE OR REPLACE RULE b AS ON DELETE TO ruled DO INSTEAD NOTIFY gone"
        )
    for statement in ("INSERT INTO ruled VALUES (1)", "DELETE FROM ruled"):
        with pytest.raises(StatementNotPlanned):
            read_plan(shop, Question(statement=statement))


def test_what_an_initplan_took_is_not_its_readers(shop: Database) -> None:
    slow = "SELECT avg(a.n) FROM many AS a, generate_series(1, 5)"
    statement = f"SELECT count(*) FROM many WHERE n > ({slow})"
    plan = read_plan(shop, Question(statement=statement, analyze=True))
    [apart] = [one for one in plan.root if "InitPlan" in str(one.said.get("Subplan Name"))]
    [reader] = [one for one in plan.root if "Filter" in one.said]
    assert (reader.own_ms or 0) <= (reader.time_ms or 0) - (apart.time_ms or 0) + 0.01
    assert sum(one.own_ms or 0 for one in plan.root) <= plan.whole_ms * 1.01


@pytest.mark.without_server
def test_names_in_remedies_are_as_sql_has_them() -> None:
    node = {**_node("Seq Scan", 1, Schema="a", Relation_Name="x; y"), "Actual Rows": 5000}
    fact = TableFact(name="a.x; y", quoted='a."x; y"', rows=1)
    [found] = find(plan_of({"Plan": node}, "SELECT", tables={fact.name: fact}))
    assert found.remedies[0].sql == 'ANALYZE a."x; y"'


def test_it_ends_in_time_and_waits_for_nobody(shop: Database) -> None:
    slow = Question(
        statement="SELECT pg_sleep(60)", analyze=True, timeout=timedelta(milliseconds=50)
    )
    with pytest.raises(StatementTooSlow):
        read_plan(shop, slow)
    with connect(shop, autocommit=False) as holder:
        holder.execute(b"LOCK TABLE few IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StatementLocked):
            read_plan(shop, Question(statement="SELECT * FROM few"))


def test_percent_signs_and_comments_are_as_they_are(shop: Database) -> None:
    statement = "SELECT * FROM many WHERE text LIKE '%y%' AND n % 2 = 0 -- 100 %s"
    plan = read_plan(shop, Question(statement=statement, analyze=True))
    assert "'%y%'" in str([node.said.get("Filter") for node in plan.root])


def test_without_pg_stat_statements_it_says_so(shop: Database) -> None:
    with pytest.raises(StatementsNotKept):
        query_of(shop, 1)


@pytest.mark.without_server
def test_there_are_eighteen_and_their_codes_are_in_order() -> None:
    assert [check.code for check in CHECKS] == [f"P{number:02}" for number in range(1, 19)]


def _node(kind: str, ms: float, **said: object) -> dict[str, object]:
    """A node that ran once and gave one row, unless it is said otherwise."""
    measured: dict[str, object] = {"Plan Rows": 1, "Actual Rows": 1, "Actual Loops": 1}
    measured |= {"Node Type": kind, "Actual Total Time": ms, "Total Cost": 1}
    # A keyword has no spaces.
    return measured | {name.replace("_", " "): value for name, value in said.items()}


@pytest.mark.without_server
def test_each_node_has_its_own_time() -> None:
    cte = _node("Seq Scan", 40, Subplan_Name="CTE w", Parent_Relationship="InitPlan")
    scans = [_node("CTE Scan", 45, CTE_Name="w"), _node("CTE Scan", 2, CTE_Name="w")]
    worker = _node("Seq Scan", 10, Actual_Loops=3, Parallel_Aware=True)
    gather = _node("Gather", 12, Plans=[worker], Workers_Planned=2, Workers_Launched=2)
    inner = _node("Index Scan", 0.5, Actual_Loops=20)
    top = _node("Append", 80, Plans=[cte, *scans, gather, inner])
    plan = plan_of({"Plan": top, "Execution Time": 80}, "SELECT")
    own = {(node.kind, node.number): node.own_ms for node in plan.root}
    assert list(own.values()) == pytest.approx([11, 40, 5, 2, 2, 10, 10])


@pytest.mark.without_server
@pytest.mark.parametrize(
    ("code", "document"),
    [
        ("P09", {"Plan": _node("Result", 50), "JIT": {"Timing": {"Total": 40}}}),
        ("P10", {"Plan": _node("Result", 1), "Planning Time": 90, "Execution Time": 1}),
        ("P13", {"Plan": _node("Materialize", 90, Temp_Written_Blocks=20000)}),
        ("P16", {"Plan": _node("Result", 90, **{"Shared I/O Read Time": 80})}),
    ],
)
def test_what_is_seen_in_the_whole(code: str, document: dict[str, object]) -> None:
    assert [one.code for one in find(plan_of(document, "SELECT"))] == [code]
    assert find(plan_of({"Plan": _node("Result", 50)}, "SELECT")) == ()


@pytest.mark.without_server
def test_a_join_that_finds_nothing_is_no_wrong_estimate() -> None:
    outer = {**_node("Seq Scan", 1), "Plan Rows": 50000}
    inner = {**_node("Hash", 1), "Actual Rows": 0}
    join = _node("Hash Join", 2, Plans=[outer, inner])
    assert find(plan_of({"Plan": join}, "SELECT")) == ()
