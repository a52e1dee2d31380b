"""The settings and roles of PostgreSQL's own that an audit asks for by name."""

from __future__ import annotations

# Of these roles' members it is asked who they are: each is a way past the rights on tables.
POWERS = (
    "pg_execute_server_program",
    "pg_read_server_files",
    "pg_write_server_files",
    "pg_signal_backend",
    "pg_read_all_data",
    "pg_write_all_data",
    "pg_checkpoint",
    "pg_create_subscription",
    "pg_maintain",
    "pg_signal_autovacuum_worker",
)

# What its members may do amounts to being a superuser.
LIKE_SUPERUSERS = (
    "superuser",
    "pg_execute_server_program",
    "pg_read_server_files",
    "pg_write_server_files",
)

# What should be logged, in the words of CIS 3.1, and what is taken for that.
LOGGED: dict[str, tuple[str, ...]] = {
    "log_connections": ("on",),
    "log_disconnections": ("on",),
    "log_checkpoints": ("on",),
    "log_lock_waits": ("on",),
    "log_replication_commands": ("on",),
}

# What takes a protection away, by what it should be.
PROTECTIONS = {
    "allow_system_table_mods": "off",
    "ignore_system_indexes": "off",
    "ignore_checksum_failure": "off",
    "zero_damaged_pages": "off",
    "row_security": "on",
    "lo_compat_privileges": "off",
    "ignore_invalid_pages": "off",
    "jit_debugging_support": "off",
    "jit_profiling_support": "off",
    "post_auth_delay": "0",
    "db_user_namespace": "off",
    "debug_print_parse": "off",
    "debug_print_rewritten": "off",
    "debug_print_plan": "off",
    "log_hostname": "off",
    "standard_conforming_strings": "on",
}

# What a role or a database must not have for itself.
OVERRIDABLE = (
    *LOGGED,
    *PROTECTIONS,
    "log_statement",
    "log_min_error_statement",
    "log_min_messages",
    "password_encryption",
    "session_replication_role",
    "pgaudit.log",
)

SETTINGS = (
    *LOGGED,
    *PROTECTIONS,
    "authentication_timeout",
    "config_file",
    "data_directory",
    "data_directory_mode",
    "hba_file",
    "ident_file",
    "listen_addresses",
    "log_destination",
    "log_directory",
    "log_file_mode",
    "log_line_prefix",
    "log_min_duration_statement",
    "log_min_error_statement",
    "log_min_messages",
    "log_rotation_age",
    "log_rotation_size",
    "log_statement",
    "logging_collector",
    "password_encryption",
    "pgaudit.log",
    "port",
    "primary_conninfo",
    "scram_iterations",
    "session_preload_libraries",
    "session_replication_role",
    "shared_preload_libraries",
    "ssl",
    "ssl_ca_file",
    "ssl_cert_file",
    "ssl_ciphers",
    "ssl_key_file",
    "ssl_min_protocol_version",
    "unix_socket_directories",
    "unix_socket_permissions",
)
