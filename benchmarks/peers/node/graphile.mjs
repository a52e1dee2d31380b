// Graphile Worker. It deletes a job that ended well, and keeps nothing of it.

import { makeWorkerUtils, run } from "graphile-worker";
import { Logger } from "graphile-worker";
import pg from "pg";

import { BATCH, rest, serve } from "./face.mjs";

const CONCURRENCY = 200;
const LOCAL_QUEUE = 2000;
const POOL_SIZE = 20;

const silent = new Logger(() => () => {});

await serve({
  name: "Graphile Worker",
  package: "graphile-worker",
  settings:
    `localQueue.size ${LOCAL_QUEUE}, concurrentJobs ${CONCURRENCY}, maxPoolSize ${POOL_SIZE}, ` +
    `completeJobBatchDelay 0; addJobs() of ${BATCH}; a pool of the callers' number; ` +
    "for single tasks no local queue and no batches",
  unfinished: "SELECT EXISTS (SELECT FROM graphile_worker._private_jobs)",
  // What was ever submitted, by the sequence of the ids, less what is left.
  finished: `
    SELECT coalesce(pg_sequence_last_value(
        pg_get_serial_sequence('graphile_worker._private_jobs', 'id')::regclass
    ), 0) - (SELECT count(*) FROM graphile_worker._private_jobs)`,
  history: null,

  async install() {
    const utils = await makeWorkerUtils({ pgPool: pool(2), logger: silent });
    await utils.migrate();
    process.exit(0);
  },

  async submitter(callers) {
    const pgPool = pool(callers);
    const utils = await makeWorkerUtils({ pgPool, logger: silent });
    return {
      many: (payloads) =>
        utils.addJobs(payloads.map((payload) => ({ identifier: "nothing", payload }))),
      one: (payload) => utils.addJob("nothing", payload),
      close: async () => {
        await utils.release();
        await pgPool.end();
      },
    };
  },

  async work(begin, order) {
    const concurrentJobs = order.concurrency ?? CONCURRENCY;
    const batches = { localQueue: { size: order.batch ?? LOCAL_QUEUE }, completeJobBatchDelay: 0 };
    const runner = await run({
      preset: {
        worker: { concurrentJobs, maxPoolSize: POOL_SIZE, ...(order.eager ? {} : batches) },
      },
      pgPool: pool(POOL_SIZE),
      noHandleSignals: true,
      logger: silent,
      taskList: {
        nothing: async (payload) => {
          begin(payload.n);
          await rest(order);
        },
      },
    });
    return () => runner.stop();
  },
});

function pool(max) {
  const made = new pg.Pool({ max });
  made.on("error", () => {});
  made.on("connect", (client) => client.on("error", () => {}));
  return made;
}
