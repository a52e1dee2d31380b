-- Where a file that undoes something belongs.

-- name: read_place
-- The cluster's identifier, and the database.
SELECT system_identifier::text, current_database()::text FROM pg_control_system();
