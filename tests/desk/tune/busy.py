"""A database with orders and their buyers, in which the same statements run again and again."""

from __future__ import annotations

from agentpg.db import Database, connect
from agentpg.embedded import EmbeddedServer

KEEPS_STATEMENTS = {"shared_preload_libraries": "pg_stat_statements", "jit": "off"}

_MADE = """
    CREATE TABLE buyers (id int PRIMARY KEY, city text, note text);
    INSERT INTO buyers
    SELECT n, 'city ' || n % 40, md5(n::text) FROM generate_series(1, 12000) AS n;
    CREATE TABLE orders (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        buyer int REFERENCES buyers, state text, gone timestamptz, total int,
        half int GENERATED ALWAYS AS (total / 2) STORED, "when" timestamptz
    );
    INSERT INTO orders (buyer, state, gone, total, "when")
    SELECT n * 7919 % 12000 + 1, CASE n % 2 WHEN 0 THEN 'new' ELSE 'sent' END,
        CASE WHEN n % 3 > 0 THEN now() END, n % 100, now() - n * interval '1 minute'
    FROM generate_series(1, 30000) AS n;
    CREATE INDEX twice_a ON orders (total) WITH (fillfactor = 70);
    CREATE INDEX twice_b ON orders (total) WITH (fillfactor = 70);
    COMMENT ON INDEX twice_a IS 'it''s one';
    COMMENT ON INDEX twice_b IS 'it''s one';
    CREATE TABLE elsewhere (n int);
    ANALYZE;
"""

_RUN = (
    ("SELECT * FROM orders WHERE buyer = %s", ("17",)),
    ('SELECT id FROM orders WHERE state = %s ORDER BY "when" DESC LIMIT 5', ("new",)),
    ("SELECT count(*) FROM buyers WHERE city = %s", ("city 3",)),
    ("UPDATE orders SET state = %s WHERE total = %s AND buyer = %s", ("new", "3", "5")),
)


def make_busy(server: EmbeddedServer) -> None:
    """Make the tables as `admin`, and run the statements."""
    with connect(Database(server.dsn("postgres"))) as connection:
        connection.execute(b"CREATE EXTENSION pg_stat_statements SCHEMA public")
    with connect(Database(server.dsn())) as connection:
        connection.execute(_MADE.encode())
        connection.execute(b"SET max_parallel_workers_per_gather = 0")
        for _ in range(5):
            for statement, values in _RUN:
                connection.execute(statement.encode(), values)
