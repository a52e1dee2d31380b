-- A row of each kind, for the recorded copies of the schema.
INSERT INTO workers (id, host, pid, version, concurrency, lease_seconds, handlers, started_at, heartbeat, heartbeat_at, idle)
VALUES ('01900000-0000-7000-8000-00000000000a', 'alpha', 4711, '0.1.0', 20, 30, '[["Reporter", "weekly"]]', '2026-01-01 08:00+00', 240, '2026-01-01 09:00+00', false),
       ('01900000-0000-7000-8000-00000000000b', 'alpha', 4712, '0.1.0', 20, 30, '[["Reporter", "weekly"]]', '2026-01-01 08:00+00', 12, '2026-01-01 08:01+00', true);
UPDATE workers SET ended_at = '2026-01-01 08:02+00', ended_how = 'lost' WHERE pid = 4712;
INSERT INTO tasks (id, agent_name, task_type, status, created_at, run_at, payload, result, error_message, attempt, errors, started_at, finished_at, worker, submitted_by, idempotency_key, tenant, held_reason, adopted, max_attempts, cancel_requested_at) VALUES
('01900000-0000-7000-8000-000000000001', 'Reporter', 'weekly', 'pending', '2026-01-01 07:00+00', '2026-01-01 07:00+00', '{"week": 1}', NULL, NULL, 0, 0, NULL, NULL, NULL, 'admin', 'week-1', 'north', NULL, false, 3, NULL),
('01900000-0000-7000-8000-000000000002', 'Reporter', 'weekly', 'running', '2026-01-01 07:01+00', '2026-01-01 07:01+00', NULL, NULL, NULL, 1, 0, '2026-01-01 08:10+00', NULL, '01900000-0000-7000-8000-00000000000a', 'admin', NULL, NULL, NULL, false, NULL, NULL),
('01900000-0000-7000-8000-000000000003', 'Reporter', 'weekly', 'completed', '2026-01-01 07:02+00', '2026-01-01 07:05+00', '[1, 2]', '{"pages": 3}', NULL, 2, 1, '2026-01-01 08:20+00', '2026-01-01 08:21+00', NULL, 'admin', NULL, NULL, NULL, false, NULL, NULL),
('01900000-0000-7000-8000-000000000004', 'Reporter', 'weekly', 'failed', '2026-01-01 07:03+00', '2026-01-01 07:03+00', NULL, NULL, 'no data', 1, 1, '2026-01-01 08:30+00', '2026-01-01 08:31+00', NULL, 'admin', NULL, NULL, NULL, false, 1, NULL),
('01900000-0000-7000-8000-000000000005', 'Reporter', 'weekly', 'cancelled', '2026-01-01 07:04+00', '2026-01-01 07:04+00', NULL, NULL, 'not wanted', 0, 0, NULL, '2026-01-01 07:06+00', NULL, 'admin', NULL, NULL, NULL, false, NULL, '2026-01-01 07:06+00'),
('01900000-0000-7000-8000-000000000006', 'Reporter', 'weekly', 'waiting', '2026-01-01 07:05+00', '2026-01-01 07:05+00', NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, 'admin', NULL, NULL, 'the budget', false, NULL, NULL),
('f47ac10b-58cc-4372-a567-0e02b2c3d479', NULL, NULL, 'archived', NULL, '2026-01-01 07:00+00', NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, true, NULL, NULL);
INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, worker, execution_start, execution_end, duration_seconds, outcome, error_message, llm_calls, llm_total_tokens, llm_input_tokens, llm_output_tokens, llm_unknown_calls, llm_unpriced_calls, cost_usd) VALUES
('01900000-0000-7000-8000-000000000002', 1, 'Reporter', 'weekly', '01900000-0000-7000-8000-00000000000a', '2026-01-01 08:10+00', NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, NULL),
('01900000-0000-7000-8000-000000000003', 1, 'Reporter', 'weekly', '01900000-0000-7000-8000-00000000000b', '2026-01-01 08:00+00', '2026-01-01 08:02+00', NULL, 'lost', NULL, 1, 0, 0, 0, 1, 1, NULL),
('01900000-0000-7000-8000-000000000003', 2, 'Reporter', 'weekly', '01900000-0000-7000-8000-00000000000a', '2026-01-01 08:20+00', '2026-01-01 08:21+00', 59.5, 'completed', NULL, 1, 120, 100, 20, 0, 0, 0.0012),
('01900000-0000-7000-8000-000000000004', 1, 'Reporter', 'weekly', '01900000-0000-7000-8000-00000000000a', '2026-01-01 08:30+00', '2026-01-01 08:31+00', 60, 'failed', 'no data', 0, 0, 0, 0, 0, 0, NULL);
INSERT INTO llm_requests (id, task_id, attempt, agent_name, provider, model, status, started_at, ended_at, duration_seconds, input_tokens, output_tokens, cost_usd, cost_source) VALUES
('01900000-0000-7000-8000-0000000000c1', '01900000-0000-7000-8000-000000000003', 1, 'Reporter', 'openai', 'gpt-4o-mini', 'lost', '2026-01-01 08:00+00', '2026-01-01 08:02+00', NULL, NULL, NULL, NULL, 'unpriced'),
('01900000-0000-7000-8000-0000000000c2', '01900000-0000-7000-8000-000000000003', 2, 'Reporter', 'openai', 'gpt-4o-mini', 'ok', '2026-01-01 08:20+00', '2026-01-01 08:20:30+00', 30, 100, 20, 0.0012, 'genai-prices');
INSERT INTO users (id, username, role, password_hash, created_at) VALUES ('01900000-0000-7000-8000-0000000000d1', 'kim', 'admin', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g', '2026-01-01 06:00+00');
UPDATE agent_executions SET progress = 0.5, progress_text = 'page 2', progress_at = '2026-01-01 08:20:30+00' WHERE outcome = 'completed';
INSERT INTO task_events (task_id, attempt, number, at, level, message) VALUES ('01900000-0000-7000-8000-000000000003', 2, 1, '2026-01-01 08:20:10+00', 'info', 'begins with 3 pages');
UPDATE schema_migrations SET applied_at = '2026-01-01 06:00+00';
INSERT INTO schedules (name, agent_name, task_type, payload, cron, time_zone, catch_up, paused_at, next_at, last_at, last_task_id, created_at, updated_at) VALUES
('weekly', 'Reporter', 'weekly', '{"week": 1}', '0 7 * * mon', 'Asia/Seoul', 'all', NULL, '2026-01-04 22:00+00', '2025-12-28 22:00+00', '01900000-0000-7000-8000-000000000003', '2025-12-01 06:00+00', '2025-12-01 06:00+00'),
('paused', 'Reporter', 'weekly', NULL, '@daily', 'UTC', 'skip', '2026-01-01 06:00+00', '2026-01-02 00:00+00', NULL, NULL, '2025-12-01 06:00+00', '2026-01-01 06:00+00');
INSERT INTO limits (agent_name, task_type, key, concurrency, rate, period_seconds, declared_at) VALUES ('Reporter', 'weekly', 'tenant', 2, 60, 60, '2026-01-01 06:00+00');
INSERT INTO limit_starts (limit_id, value, started_at, tasks) VALUES (1, 'north', '2026-01-01 08:10+00', 1);
INSERT INTO paused_agents (agent_name, paused_at, paused_by, reason) VALUES ('Loader', '2026-01-01 06:00+00', 'admin', 'its source is down');
UPDATE tasks SET lane = concat_ws(chr(31), 'Reporter', 'weekly', 'north', '1=north', '') WHERE tenant = 'north';
INSERT INTO alerts (id, fingerprint, code, level, state, condition, since, seen_at, looks, fired_at, resolved_at, first_told_at, told_at, told_level, told, acked_at, acked_by) VALUES
('01900000-0000-7000-8000-0000000000e1', 'a1', 'B01', 'critical', 'firing', '{"room": "backup", "code": "B01", "level": "critical", "subject": "", "sentence": "there is no backup"}', '2026-01-01 08:00+00', '2026-01-01 08:30+00', 31, '2026-01-01 08:01+00', NULL, '2026-01-01 08:01+00', '2026-01-01 08:01+00', 'critical', '{ops}', '2026-01-01 08:05+00', 'kim'),
('01900000-0000-7000-8000-0000000000e2', 'a2', 'D01', 'warning', 'resolved', '{"room": "disk", "code": "D01", "level": "warning", "subject": "/", "sentence": "it is full"}', '2026-01-01 07:00+00', '2026-01-01 07:10+00', 0, '2026-01-01 07:01+00', '2026-01-01 07:12+00', NULL, NULL, NULL, '{}', NULL, NULL);
INSERT INTO outbox (id, contact, way, message, created_at, due_at, attempts, error, sent_at, given_up_at) VALUES
('01900000-0000-7000-8000-0000000000f1', 'ops', 'email', '{"events": []}', '2026-01-01 08:01+00', '2026-01-01 08:02+00', 1, NULL, '2026-01-01 08:01:02+00', NULL),
('01900000-0000-7000-8000-0000000000f2', 'ops', 'webhook', '{"events": []}', '2026-01-01 08:01+00', '2026-01-01 08:03+00', 1, 'HTTP 503', NULL, NULL);
INSERT INTO silences (id, matchers, owner, reason, begins_at, ends_at) VALUES ('01900000-0000-7000-8000-0000000000f3', '{"room": "disk"}', 'kim', 'moved', '2026-01-01 08:00+00', '2026-01-01 10:00+00');
INSERT INTO looks (room, looked_at, seconds) VALUES ('health', '2026-01-01 08:30+00', 0.5);
INSERT INTO account_details (user_id, password_set_at, password_set_by, seen_at) SELECT id, '2026-01-01 06:00+00', 'root@alpha', '2026-01-01 08:00+00' FROM users;
INSERT INTO account_tokens (id, user_id, name, hint, token_hash, scopes, created_at, created_by, expires_at) SELECT '01900000-0000-7000-8000-0000000000f4', id, 'build', 'apg_AAAAAA', sha256('a'), '{tasks:read}', '2026-01-01 06:00+00', 'root@alpha', '2026-04-01 06:00+00' FROM users LIMIT 1;
INSERT INTO login_failures (name_hash, failures, failed_at) VALUES (sha256('kim'), 2, '2026-01-01 08:00+00');
INSERT INTO audit_log (action, object, os_user, program, details) VALUES ('agent.pause', 'Loader', 'root@alpha', 'agentpg agent pause', '{"reason": "its source is down"}'), ('user.add', 'kim', NULL, NULL, '{}');
INSERT INTO tenant_logins (login, tenant, bound_at, bound_by) VALUES ('north_app', 'north', '2026-01-01 06:00+00', 'admin');
