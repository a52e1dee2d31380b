"""Every metric: its name, its kind, its labels and its meaning.

Names follow the conventions of Prometheus, and of its exporter for PostgreSQL where that has the
same: base units, `_total` for what only counts up. All labels have few values: agents, models
and tables beyond a number are one, `other`, or left out; a text, a task or a process is no label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; without labels it is a single number."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()


_TABLE = ("schemaname", "relname")
_DATABASE = ("datname",)

OF_THE_SCRAPE = (
    Metric("pg_up", "gauge", "Whether the server answers."),
    Metric(
        "pg_scrape_collector_success",
        "gauge",
        "Whether this part of the metrics could be collected.",
        ("collector",),
    ),
    Metric(
        "pg_scrape_collector_duration_seconds",
        "gauge",
        "How long this part took when it was last collected.",
        ("collector",),
    ),
    Metric("agentpg_metrics_timestamp_seconds", "gauge", "When the metrics were handed out."),
)

OF_THE_SERVER = (
    Metric("pg_static", "gauge", "The server's version.", ("short_version",)),
    Metric("pg_postmaster_start_time_seconds", "gauge", "When the server was started."),
    Metric("pg_replication_is_replica", "gauge", "Whether the server is a standby."),
    Metric("pg_settings_max_connections", "gauge", "How many connections there may be."),
    Metric(
        "pg_settings_reserved_connections",
        "gauge",
        "How many of them are not for ordinary roles.",
    ),
    Metric(
        "pg_settings_autovacuum_freeze_max_age",
        "gauge",
        "The age at which vacuum freezes a table whatever else.",
    ),
    Metric("pg_settings_pending_restart", "gauge", "Settings that a restart would change."),
    Metric("pg_xid_age", "gauge", "The oldest transaction id that is not frozen, as age."),
    Metric("pg_multixact_age", "gauge", "The oldest multixact id, as age."),
    Metric(
        "pg_xmin_horizon_age",
        "gauge",
        "How many transactions ago the snapshot began for which dead rows are kept.",
        ("holder",),
    ),
    Metric("pg_stat_activity_count", "gauge", "Sessions of clients.", ("datname", "state")),
    Metric(
        "pg_stat_activity_hidden",
        "gauge",
        "How many of them the role may not see; their times and locks are not known.",
    ),
    Metric(
        "pg_stat_activity_max_tx_duration_seconds",
        "gauge",
        "The longest of their open transactions.",
        ("datname", "state"),
    ),
    Metric("pg_blocked_sessions", "gauge", "Sessions that wait for a lock."),
    Metric("pg_blocked_longest_seconds", "gauge", "How long the one that is active longest is."),
    Metric("pg_stat_wal_records_total", "counter", "Records written to the WAL."),
    Metric("pg_stat_wal_fpi_total", "counter", "Full images of pages written to the WAL."),
    Metric("pg_stat_wal_bytes_total", "counter", "Bytes written to the WAL."),
    Metric("pg_stat_wal_buffers_full_total", "counter", "Times that the WAL's buffers were full."),
    Metric("pg_stat_archiver_archived_total", "counter", "Files of WAL that were archived."),
    Metric("pg_stat_archiver_failed_total", "counter", "Failed attempts to archive one."),
    Metric(
        "pg_stat_archiver_last_archived_timestamp_seconds", "gauge", "When the last was archived."
    ),
    Metric("pg_stat_archiver_last_failed_timestamp_seconds", "gauge", "When the last one failed."),
    Metric("pg_stat_checkpointer_timed_total", "counter", "Checkpoints that were due."),
    Metric("pg_stat_checkpointer_requested_total", "counter", "Checkpoints that were wanted."),
    Metric("pg_stat_checkpointer_buffers_written_total", "counter", "Pages that they wrote."),
    Metric("pg_stat_checkpointer_write_seconds_total", "counter", "How long they wrote."),
    Metric("pg_stat_checkpointer_sync_seconds_total", "counter", "How long they synchronised."),
    Metric("pg_replication_lag_seconds", "gauge", "How far a standby is behind; else 0."),
    Metric("pg_stat_replication_standbys", "gauge", "Standbys that are connected."),
    Metric("pg_stat_replication_max_lag_seconds", "gauge", "How far the last of them is behind."),
    Metric("pg_stat_replication_max_lag_bytes", "gauge", "The same in bytes of WAL."),
    Metric("pg_replication_slot_active", "gauge", "Whether a slot is used.", ("slot_name",)),
    Metric("pg_replication_slot_retained_bytes", "gauge", "The WAL kept for it.", ("slot_name",)),
)

OF_THE_DATABASE = (
    Metric("pg_database_size_bytes", "gauge", "The size of the database.", _DATABASE),
    Metric("pg_stat_database_xact_commit_total", "counter", "Transactions committed.", _DATABASE),
    Metric(
        "pg_stat_database_xact_rollback_total", "counter", "Transactions rolled back.", _DATABASE
    ),
    Metric("pg_stat_database_blks_hit_total", "counter", "Pages found in memory.", _DATABASE),
    Metric("pg_stat_database_blks_read_total", "counter", "Pages read.", _DATABASE),
    Metric("pg_stat_database_tup_returned_total", "counter", "Rows read by scans.", _DATABASE),
    Metric("pg_stat_database_tup_fetched_total", "counter", "Rows fetched by indexes.", _DATABASE),
    Metric("pg_stat_database_tup_inserted_total", "counter", "Rows inserted.", _DATABASE),
    Metric("pg_stat_database_tup_updated_total", "counter", "Rows updated.", _DATABASE),
    Metric("pg_stat_database_tup_deleted_total", "counter", "Rows deleted.", _DATABASE),
    Metric(
        "pg_stat_database_conflicts_total", "counter", "Statements that recovery ended.", _DATABASE
    ),
    Metric("pg_stat_database_deadlocks_total", "counter", "Deadlocks.", _DATABASE),
    Metric("pg_stat_database_temp_files_total", "counter", "Temporary files.", _DATABASE),
    Metric("pg_stat_database_temp_bytes_total", "counter", "Bytes written to them.", _DATABASE),
    Metric("pg_stat_database_sessions_total", "counter", "Sessions begun.", _DATABASE),
    Metric(
        "pg_stat_database_sessions_abandoned_total",
        "counter",
        "Sessions whose client went away.",
        _DATABASE,
    ),
    Metric(
        "pg_stat_database_sessions_fatal_total", "counter", "Sessions ended by errors.", _DATABASE
    ),
    Metric(
        "pg_stat_database_sessions_killed_total",
        "counter",
        "Sessions ended by an operator.",
        _DATABASE,
    ),
    Metric(
        "pg_stat_database_checksum_failures_total",
        "counter",
        "Pages whose checksum was wrong; none where pages have no checksums.",
        _DATABASE,
    ),
    Metric("pg_table_size_bytes", "gauge", "The size of a table with TOAST.", _TABLE),
    Metric("pg_indexes_size_bytes", "gauge", "The size of its indexes.", _TABLE),
    Metric("pg_stat_user_tables_n_live_tup", "gauge", "Rows, as estimated.", _TABLE),
    Metric("pg_stat_user_tables_n_dead_tup", "gauge", "Dead rows, as estimated.", _TABLE),
    Metric(
        "pg_stat_user_tables_n_mod_since_analyze",
        "gauge",
        "Rows changed since the table was analysed.",
        _TABLE,
    ),
    Metric("pg_stat_user_tables_n_tup_ins_total", "counter", "Rows inserted.", _TABLE),
    Metric("pg_stat_user_tables_n_tup_upd_total", "counter", "Rows updated.", _TABLE),
    Metric(
        "pg_stat_user_tables_n_tup_hot_upd_total", "counter", "Of them, within their page.", _TABLE
    ),
    Metric("pg_stat_user_tables_n_tup_del_total", "counter", "Rows deleted.", _TABLE),
    Metric("pg_stat_user_tables_seq_scan_total", "counter", "Scans of the whole table.", _TABLE),
    Metric("pg_stat_user_tables_seq_tup_read_total", "counter", "Rows that they read.", _TABLE),
    Metric("pg_stat_user_tables_idx_scan_total", "counter", "Scans of its indexes.", _TABLE),
    Metric(
        "pg_stat_user_tables_last_vacuum_timestamp_seconds",
        "gauge",
        "When it was last vacuumed, by whom so ever.",
        _TABLE,
    ),
    Metric(
        "pg_stat_user_tables_last_analyze_timestamp_seconds",
        "gauge",
        "When it was last analysed, by whom so ever.",
        _TABLE,
    ),
)

OF_THE_AGENTS = (
    Metric("agentpg_tasks", "gauge", "Tasks that have not ended.", ("agent", "state")),
    Metric(
        "agentpg_oldest_ready_seconds",
        "gauge",
        "How long the oldest task that could run has waited.",
        ("agent",),
    ),
    Metric(
        "agentpg_oldest_plain_seconds",
        "gauge",
        "The same of tasks that no limit, turn or pause concerns; known however long the queue is.",
    ),
    Metric(
        "agentpg_longest_running_seconds",
        "gauge",
        "How long the task that runs longest has run.",
        ("agent",),
    ),
    Metric(
        "agentpg_tasks_without_worker",
        "gauge",
        "Tasks that could run and no living worker has a handler for.",
    ),
    Metric("agentpg_paused_agents", "gauge", "Agents that are paused."),
    Metric(
        "agentpg_workers", "gauge", "Workers: alive, silent, lost in the last hour.", ("state",)
    ),
    Metric("agentpg_worker_slots", "gauge", "How many tasks living workers can run at a time."),
    Metric("agentpg_worker_slots_busy", "gauge", "How many they ran at their last heartbeat."),
    Metric("agentpg_schedules", "gauge", "Schedules: active, paused, broken.", ("state",)),
    Metric("agentpg_schedules_late", "gauge", "Schedules that are late by more than a minute."),
    Metric(
        "agentpg_executions_total",
        "counter",
        "Executions that have ended, by outcome; lost ones were rescued.",
        ("agent", "outcome"),
    ),
    Metric("agentpg_execution_run_seconds", "histogram", "How long handlers have run.", ("agent",)),
    Metric(
        "agentpg_task_wait_seconds",
        "histogram",
        "How long tasks could have run before they were claimed.",
        ("agent",),
    ),
    Metric("agentpg_executions_open", "gauge", "Executions that are under way."),
    Metric(
        "agentpg_executions_left_out_total",
        "counter",
        "Times whose executions or calls were not counted, since that took too long.",
    ),
    Metric(
        "agentpg_llm_calls_total",
        "counter",
        "Calls to language models that have ended.",
        ("agent", "model", "status"),
    ),
    Metric(
        "agentpg_llm_tokens_total",
        "counter",
        "Known tokens. input has cached, and output has reasoning, within it.",
        ("agent", "model", "kind"),
    ),
    Metric(
        "agentpg_llm_cost_usd_total", "counter", "Known cost in US dollars.", ("agent", "model")
    ),
    Metric(
        "agentpg_llm_unpriced_calls_total",
        "counter",
        "Calls whose cost is not known.",
        ("agent", "model"),
    ),
)

OF_THE_BACKUPS = (
    Metric("agentpg_backup_last_timestamp_seconds", "gauge", "When the last backup was taken."),
    Metric(
        "agentpg_backup_last_proved_timestamp_seconds",
        "gauge",
        "When a drill last proved a backup.",
    ),
    Metric("agentpg_backups", "gauge", "Backups that are there."),
)

METRICS = (
    *OF_THE_SCRAPE,
    *OF_THE_SERVER,
    *OF_THE_DATABASE,
    *OF_THE_AGENTS,
    *OF_THE_BACKUPS,
)

BY_NAME = {metric.name: metric for metric in METRICS}
