-- Samples of the server and the tables, so that a later look can compare.
-- works with: 1
--
-- The release before does not look at it.

-- What the server and the tables were like, one row a moment: every five minutes of the last
-- day, every hour of the last month, every day of the last year.
CREATE TABLE samples (
    taken_at       timestamptz PRIMARY KEY,
    sample         jsonb NOT NULL                           -- sizes, rows, counters; sql/samples.sql
);
