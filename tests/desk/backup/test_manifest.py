"""A manifest is equal after a restore, and names each single change once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentpg.db import Database, ServerError, connect, snapshot
from agentpg.desk.backup.model import Difference
from agentpg.desk.backup.proof.comparing import compare, compare_contents
from agentpg.desk.backup.proof.contents import join_moment
from agentpg.desk.backup.proof.manifest import Manifest, Sums
from agentpg.desk.backup.proof.taking import fill_outline, take_manifest, take_outline
from agentpg.errors import RecordDamaged, RecordTooNew
from tests.desk.backup.changes import CHANGES
from tests.desk.backup.nasty import (
    a_database,
    changing,
    copy,
    differences,
    drop_roles,
    fill_nastily,
    make_roles,
    manifest_of,
    outcomes,
)
from tests.servers import SCHEMA, SharedServer

pytestmark = pytest.mark.xdist_group("manifest")

# The hash of "()".
NO_COLUMNS = 7880635921277606561


@pytest.fixture(scope="module")
def nasty(shared_server: SharedServer) -> Iterator[Database]:
    """A database with everything."""
    roles = Database(shared_server.superuser_dsn())
    make_roles(roles)
    with a_database(shared_server) as database:
        fill_nastily(database)
        yield database
    drop_roles(roles)


@pytest.fixture(scope="module")
def nasty_manifest(nasty: Database) -> Manifest:
    """Its manifest."""
    return manifest_of(nasty)


def test_manifest_is_equal_after_a_restore(
    shared_server: SharedServer, nasty: Database, nasty_manifest: Manifest, tmp_path: Path
) -> None:
    with a_database(shared_server) as restored:
        copy(shared_server.server, nasty, restored, tmp_path / "dump")
        found = manifest_of(restored)
    checks = compare(nasty_manifest, found)
    assert differences(checks) == []
    assert outcomes(checks) == {"passed"}
    assert found.catalogue_hash == nasty_manifest.catalogue_hash
    assert found.rows == nasty_manifest.rows > 100


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_one_difference(
    nasty: Database, nasty_manifest: Manifest, name: str
) -> None:
    change, check, subject = CHANGES[name]
    with changing(nasty) as connection:
        connection.execute(change.encode())
        found = take_manifest(connection, SCHEMA)
    checks = compare(nasty_manifest, found)
    [(where, what, expected, now)] = differences(checks)
    assert (where, what) == (check, subject)
    assert expected != now
    assert outcomes(checks) == {"passed", "failed"}


def test_sequence_set_back_is_one_difference(nasty: Database, nasty_manifest: Manifest) -> None:
    with connect(nasty) as connection:
        connection.execute("SELECT setval('plain.ahead', 8999999999)")
        behind = compare(nasty_manifest, manifest_of(nasty))
        connection.execute("SELECT setval('plain.ahead', 9000000000, false)")
        not_given_out = compare(nasty_manifest, manifest_of(nasty))
        connection.execute("SELECT setval('plain.ahead', 9000000001)")
        ahead = compare(nasty_manifest, manifest_of(nasty))
        connection.execute("SELECT setval('plain.ahead', 9000000000)")
    assert differences(behind) == [
        ("sequence positions", "sequence plain.ahead", "9,000,000,000", "8,999,999,999")
    ]
    assert differences(not_given_out) == [
        (
            "sequence positions",
            "sequence plain.ahead",
            "9,000,000,000",
            "9,000,000,000, not yet given out",
        )
    ]
    assert outcomes(ahead) == {"passed"}


def test_downward_sequence_set_back_is_a_difference(
    nasty: Database, nasty_manifest: Manifest
) -> None:
    with connect(nasty) as connection:
        connection.execute("SELECT setval('plain.down', 1000)")
        checks = compare(nasty_manifest, manifest_of(nasty))
        connection.execute("SELECT setval('plain.down', 995)")
    assert differences(checks) == [("sequence positions", "sequence plain.down", "995", "1,000")]
    assert outcomes(compare(nasty_manifest, manifest_of(nasty))) == {"passed"}


def test_sequence_behind_its_column_is_a_difference(
    nasty: Database, nasty_manifest: Manifest
) -> None:
    assert nasty_manifest.sequences["plain.all_values_id_seq"].columns == {
        "plain.all_values.id": 25
    }
    with changing(nasty) as connection:
        connection.execute("INSERT INTO plain.referring (id, word) VALUES (99, 'x')")
        found = take_manifest(connection, SCHEMA)
    [check] = [one for one in compare(nasty_manifest, found) if one.name == "sequence positions"]
    [difference] = check.differences
    assert difference == Difference(
        subject="sequence plain.referring_id_seq",
        expected="at or beyond 99, which is in plain.referring.id",
        found="5",
    )
    # Where the source was behind already, nothing was lost.
    assert outcomes(compare(found, found)) == {"passed"}


def test_round_sequence_is_unknown_when_behind(nasty: Database, nasty_manifest: Manifest) -> None:
    with connect(nasty) as connection:
        connection.execute("SELECT setval('plain.round', 3)")
        at_the_end = manifest_of(nasty)
        connection.execute("SELECT setval('plain.round', 1, false)")
    checks = compare(at_the_end, nasty_manifest)
    assert outcomes(checks) == {"passed", "unknown"}
    assert [one.subject for check in checks for one in check.differences] == [
        "sequence plain.round"
    ]


@pytest.mark.parametrize(
    ("change", "back", "subject"),
    [
        ("SET search_path = plain, public", "RESET search_path", "setting search_path"),
        ("SET work_mem = '5MB'", "RESET work_mem", "setting work_mem"),
        ("CONNECTION LIMIT 7", "CONNECTION LIMIT -1", "database itself"),
    ],
)
def test_setting_of_the_database_is_one_difference(
    nasty: Database, nasty_manifest: Manifest, change: str, back: str, subject: str
) -> None:
    with connect(nasty) as connection:
        [(name,)] = connection.execute("SELECT current_database()").fetchall()
        connection.execute(f"ALTER DATABASE {name} {change}".encode())
        checks = compare(nasty_manifest, manifest_of(nasty))
        connection.execute(f"ALTER DATABASE {name} {back}".encode())
        if "search_path" in back:
            connection.execute(f"ALTER DATABASE {name} SET search_path = {SCHEMA}, public".encode())
    [(where, what, _, _)] = differences(checks)
    assert (where, what) == ("database", subject)


def test_document_says_the_same(nasty_manifest: Manifest) -> None:
    document = json.loads(json.dumps(nasty_manifest.document()))
    assert Manifest.parse(document) == nasty_manifest


@pytest.mark.parametrize("key", ["tables", "rows", "structure", "taken_at", "large_objects"])
def test_damaged_document_is_refused(nasty_manifest: Manifest, key: str) -> None:
    document = {**nasty_manifest.document(), key: "damaged"}
    with pytest.raises(RecordDamaged, match=f"one.*{key}"):
        Manifest.parse(document, "one")


def test_altered_document_is_refused(nasty_manifest: Manifest) -> None:
    document = json.loads(json.dumps(nasty_manifest.document()))
    document["structure"].pop()
    with pytest.raises(RecordDamaged, match="catalogue_hash"):
        Manifest.parse(document)


def test_document_of_a_newer_release_is_refused(nasty_manifest: Manifest) -> None:
    with pytest.raises(RecordTooNew):
        Manifest.parse({**nasty_manifest.document(), "format": 99})


def test_sessions_that_share_the_work_say_the_same(
    nasty: Database, nasty_manifest: Manifest
) -> None:
    told: list[tuple[int, int]] = []
    with snapshot(nasty) as one:
        [(name,)] = one.execute("SELECT pg_export_snapshot()").fetchall()
        with connect(nasty) as other:
            other.execute("DELETE FROM plain.empty; INSERT INTO plain.empty VALUES (1)")
        with join_moment(nasty, name) as two, join_moment(nasty, name) as three:
            found = take_manifest(
                one, SCHEMA, beside=(two, three), progress=lambda *step: told.append(step)
            )
        with connect(nasty) as other:
            other.execute("DELETE FROM plain.empty")
    assert outcomes(compare(nasty_manifest, found)) == {"passed"}
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] > 0


def test_an_error_ends_the_other_sessions(nasty: Database) -> None:
    """One that waits for a lock would wait for ever."""

    def fail(done: int, total: int) -> None:
        raise InterruptedError

    with connect(nasty) as blocker, snapshot(nasty) as one:
        [(name,)] = one.execute("SELECT pg_export_snapshot()").fetchall()
        with join_moment(nasty, name) as two, join_moment(nasty, name) as three:
            outline = take_outline(one, SCHEMA)
            blocker.execute("BEGIN; LOCK TABLE plain.no_columns")
            with pytest.raises(InterruptedError):
                fill_outline(one, outline, beside=(two, three), progress=fail)


def test_what_shapes_text_in_a_session_does_not_matter(
    nasty: Database, nasty_manifest: Manifest
) -> None:
    with changing(nasty) as connection:
        connection.execute(
            "SET TimeZone = 'Asia/Seoul'; SET DateStyle = 'German, DMY';"
            " SET IntervalStyle = 'iso_8601'; SET extra_float_digits = -3;"
            " SET bytea_output = 'escape'; SET quote_all_identifiers = on;"
            " SET search_path = plain, pg_temp; SET lc_monetary = 'C.UTF-8'"
        )
        found = take_manifest(connection, SCHEMA)
    assert outcomes(compare(nasty_manifest, found)) == {"passed"}
    assert found.catalogue_hash == nasty_manifest.catalogue_hash


def test_unlogged_tables_are_left_out_of_a_physical_copy(
    nasty: Database, nasty_manifest: Manifest
) -> None:
    without = manifest_of(nasty, unlogged=False)
    assert "plain.unlogged" not in without.tables
    assert "unlogged plain.unlogged" in without.not_proved
    assert outcomes(compare(without, nasty_manifest)) == {"passed"}


def test_tables_of_the_schema_are_known(database: Database) -> None:
    with connect(database) as connection:
        connection.execute("CREATE TABLE public.others (a int)")
    manifest = manifest_of(database)
    assert manifest.tables["agentic_ai.tasks"].ours
    assert not manifest.tables["public.others"].ours


def test_hidden_rows_are_an_error(nasty: Database) -> None:
    with changing(nasty) as connection:
        connection.execute(
            'GRANT SELECT ON ALL TABLES IN SCHEMA plain TO "nasty reader";'
            'GRANT SELECT ON ALL SEQUENCES IN SCHEMA plain TO "nasty reader";'
            "SELECT lo_unlink(oid) FROM pg_largeobject_metadata;"
            'DROP SCHEMA "odd ""schema""\nof two lines" CASCADE;'
            'SET LOCAL ROLE "nasty reader"'
        )
        with pytest.raises(ServerError, match="row-level security"):
            take_manifest(connection, SCHEMA)


def test_only_rows_of_the_user_count_in_an_extension(nasty: Database) -> None:
    """What a dump takes along of them is what the extension says."""
    with changing(nasty) as connection:
        connection.execute(
            "CREATE TABLE plain.configured (id int); CREATE TABLE plain.inner_table (id int);"
            "INSERT INTO plain.configured SELECT generate_series(1, 30);"
            "INSERT INTO plain.inner_table VALUES (1);"
            "ALTER EXTENSION plpgsql ADD TABLE plain.configured;"
            "ALTER EXTENSION plpgsql ADD TABLE plain.inner_table;"
            "UPDATE pg_extension SET extconfig = ARRAY['plain.configured'::regclass::oid],"
            " extcondition = ARRAY['WHERE id > 10 AND id % 2 = 0'] WHERE extname = 'plpgsql'"
        )
        found = take_manifest(connection, SCHEMA)
    assert found.tables["plain.configured"].sums.rows == 10  # type: ignore[union-attr]
    assert "plain.inner_table" not in found.tables
    assert "of the extension plpgsql plain.inner_table" in found.not_proved
    assert "plain.configured" not in str(found.not_proved)
    assert "table plain.configured" not in found.structure


def test_rows_that_went_to_another_partition_are_not_lost(
    nasty: Database, nasty_manifest: Manifest
) -> None:
    """The hash of an enum is another one after a restore, and so is the partition."""
    with changing(nasty) as connection:
        connection.execute(
            "ALTER TABLE plain.by_mood_0 RENAME TO by_mood_2;"
            "ALTER TABLE plain.by_mood_1 RENAME TO by_mood_0;"
            "ALTER TABLE plain.by_mood_2 RENAME TO by_mood_1"
        )
        moved = take_manifest(connection, SCHEMA)
        connection.execute("DELETE FROM plain.by_mood WHERE n = 9 AND m = 'sad'")
        lost = take_manifest(connection, SCHEMA)
    assert moved.tables["plain.by_mood_0"] != nasty_manifest.tables["plain.by_mood_0"]
    assert compare_contents(nasty_manifest, moved).outcome == "passed"
    assert compare_contents(nasty_manifest, lost).outcome == "failed"


def test_owner_without_more_rights_says_the_same_of_large_objects(
    database: Database, superuser_dsn: Callable[..., str]
) -> None:
    with connect(database) as connection:
        connection.execute(
            "SELECT lo_from_bytea(5, 'abc'), lo_from_bytea(6, decode(repeat('41', 9000), 'hex')),"
            " lo_create(7), lo_create(8),"
            " lo_from_bytea(9, decode(repeat('00', 4096), 'hex')),"
            " lo_from_bytea(10, decode(repeat('00', 2048), 'hex'))"
        )
        connection.execute("SELECT lo_put(7, 50000, 'after a hole')")
        [(name,)] = connection.execute("SELECT current_database()").fetchall()
    owned = manifest_of(database)
    assert (owned.large_objects.rows, owned.large_pages.rows) == (6, 5)
    every = manifest_of(Database(superuser_dsn(name), SCHEMA))
    assert (every.large_objects, every.large_pages) == (owned.large_objects, owned.large_pages)


@pytest.mark.one_server
def test_row_too_long_to_be_read_is_unknown(nasty: Database, nasty_manifest: Manifest) -> None:
    """Its text, with each quote twice, is longer than a value can be; a dump still takes it."""
    with changing(nasty) as connection:
        connection.execute(
            "CREATE TABLE plain.long (a text);INSERT INTO plain.long SELECT repeat('\"', 600000000)"
        )
        found = take_manifest(connection, SCHEMA)
    assert found.tables["plain.long"].sums is None
    check = compare_contents(found, found)
    assert check.outcome == "unknown"
    assert "plain.long" in check.reason


def test_other_hashes_are_unknown(nasty_manifest: Manifest) -> None:
    other = dataclasses.replace(nasty_manifest, hash_probe="1 8192")
    checks = compare(nasty_manifest, other)
    assert [check.name for check in checks if check.outcome == "unknown"] == [
        "contents",
        "large objects",
    ]


def test_every_server_hashes_alike(nasty_manifest: Manifest) -> None:
    """A manifest of one release and one server is read by others."""
    assert nasty_manifest.hash_probe == "-8246372798276827803 311801648987269581 8192"
    assert nasty_manifest.tables["plain.no_columns"].sums == Sums(rows=2, xor=0, sum=2 * NO_COLUMNS)


def test_tables_of_users_in_the_server_s_own_schemas_are_named(nasty: Database) -> None:
    """No dump has them, so that nothing of theirs can be compared."""
    with changing(nasty) as connection:
        connection.execute("CREATE TABLE information_schema.misplaced (id int)")
        assert "misplaced" not in str(take_manifest(connection, SCHEMA).not_proved)
        connection.execute("INSERT INTO information_schema.misplaced VALUES (1)")
        found = take_manifest(connection, SCHEMA)
    assert "of the server information_schema.misplaced" in found.not_proved


def test_what_is_not_compared_is_said_where_all_else_is_equal(nasty_manifest: Manifest) -> None:
    [contents, *_] = compare(nasty_manifest, nasty_manifest)
    assert contents.outcome == "passed"
    assert "3 others are not compared: foreign plain.abroad" in contents.reason


def test_passwords_of_user_mappings_are_not_in_it(
    nasty: Database, nasty_manifest: Manifest
) -> None:
    mapping = nasty_manifest.structure['user mapping public on "far away"']
    assert set(mapping.facts) == {"option user", "option password"}
    assert "s3cret" not in json.dumps(nasty_manifest.document())
    # Who may not see them says so, and is told no difference.
    with changing(nasty) as connection:
        connection.execute('GRANT pg_read_all_data TO "nasty reader"')
        connection.execute('ALTER ROLE "nasty reader" BYPASSRLS')
        connection.execute('SET LOCAL ROLE "nasty reader"')
        found = take_manifest(connection, SCHEMA)
    assert f"options of {mapping.key}" in found.not_proved
    [catalogue] = [one for one in compare(nasty_manifest, found) if one.name == "catalogue"]
    assert mapping.key not in [one.subject for one in catalogue.differences]


@pytest.mark.parametrize("document", [[], None, "manifest", 1])
def test_what_is_no_document_is_refused(document: object) -> None:
    with pytest.raises(RecordDamaged, match="lacks format"):
        Manifest.parse(document, "name")
