// pg-boss. It keeps its jobs for seven days.

import { PgBoss } from "pg-boss";

import { BATCH, rest, serve } from "./face.mjs";

const LOCAL_CONCURRENCY = 2;
const POLL_SECONDS = 0.5;

// A queue for drains, and one that wakes idle workers.
const FULL = "nothing";
const IDLE = "nothing-notified";

await serve({
  name: "pg-boss",
  package: "pg-boss",
  settings:
    `batchSize ${BATCH}, localConcurrency ${LOCAL_CONCURRENCY}, burstWhenBatchFull, ` +
    `pollingIntervalSeconds ${POLL_SECONDS}; insert() of ${BATCH}; a pool of the callers' number; ` +
    "for single tasks a queue with notify, useListenNotify",
  unfinished: "SELECT EXISTS (SELECT FROM pgboss.job WHERE state < 'completed')",
  finished: "SELECT count(*) FROM pgboss.job WHERE state = 'completed'",
  history: `
    INSERT INTO pgboss.job (name, data, state, created_on, start_after, started_on, completed_on)
    SELECT '${FULL}', jsonb_build_object('n', n, 'text', repeat('0123456789abcdef', 4)),
           'completed', at, at, at, at
    FROM (
        SELECT n, now() - interval '1 day' + n * interval '1 day' / {n} AS at
        FROM generate_series(1, {n}) n
    ) spread`,

  async install() {
    const boss = await started(2);
    await boss.createQueue(FULL);
    await boss.createQueue(IDLE, { notify: true });
    await boss.stop({ graceful: false });
  },

  async submitter(callers) {
    const boss = await started(callers, { supervise: false, schedule: false });
    return {
      many: (payloads) => boss.insert(FULL, payloads.map((data) => ({ data }))),
      one: (data) => boss.send(process.argv[2] === "submit-paced" ? IDLE : FULL, data),
      close: () => boss.stop({ graceful: false }),
    };
  },

  async work(begin, order) {
    const boss = await started(10, { useListenNotify: order.eager });
    const handle = async (jobs) => {
      for (const job of jobs) begin(job.data.n);
      await rest(order);
    };
    const drain = {
      batchSize: order.concurrency ?? order.batch ?? BATCH,
      localConcurrency: order.concurrency ? 1 : LOCAL_CONCURRENCY,
      burstWhenBatchFull: true,
      pollingIntervalSeconds: POLL_SECONDS,
    };
    await boss.work(order.eager ? IDLE : FULL, order.eager ? {} : drain, handle);
    return () => boss.stop({ graceful: true, timeout: 5000 });
  },
});

async function started(max, options = {}) {
  const boss = new PgBoss({
    host: process.env.PGHOST,
    port: Number(process.env.PGPORT),
    user: process.env.PGUSER,
    database: process.env.PGDATABASE,
    max,
    ...options,
  });
  boss.on("error", (error) => console.error(error.message));
  await boss.start();
  return boss;
}
