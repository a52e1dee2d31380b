// The face of benchmarks/face.py for peers in Node: the same commands, options and answers.
//
// A peer is an object with name, package, settings, unfinished, finished, history (or null),
// install(), submitter(callers), which gives many(payloads), one(payload) and close(), and
// work(begin, order), which gives a function that stops the worker.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

export const BATCH = 5000;

const TEXT = "0123456789abcdef".repeat(4);
const REPORT_MILLISECONDS = 10;
const WARM_UP_CALLS = 50;

const OPTIONS = {
  tasks: { type: "string", default: "0" },
  callers: { type: "string", default: "1" },
  seconds: { type: "string", default: "0.05" },
  eager: { type: "boolean", default: false },
  concurrency: { type: "string" },
  batch: { type: "string" },
  "handler-seconds": { type: "string", default: "0" },
  "starts-from": { type: "string", default: "Infinity" },
};

export async function serve(peer) {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const commands = {
    describe: () => say(description(peer)),
    install: () => peer.install(),
    "submit-bulk": () => submitBulk(peer, Number(values.tasks)),
    "submit-one": () => submitOne(peer, Number(values.tasks), Number(values.callers)),
    "submit-paced": () => submitPaced(peer, Number(values.tasks), Number(values.seconds)),
    worker: () => work(peer, orderOf(values), Number(values["starts-from"])),
  };
  await commands[positionals[0]]();
}

// What a handler does after it has said that it began.
export function rest(order) {
  return order.seconds ? sleep(order.seconds * 1000) : undefined;
}

function description(peer) {
  const manifest = createRequire(import.meta.url)(`./node_modules/${peer.package}/package.json`);
  const { name, settings, unfinished, finished, history } = peer;
  const language = `Node ${process.versions.node}`;
  return { name, version: manifest.version, language, settings, unfinished, finished, history };
}

function orderOf(values) {
  return {
    eager: values.eager,
    concurrency: values.concurrency ? Number(values.concurrency) : null,
    batch: values.batch ? Number(values.batch) : null,
    seconds: Number(values["handler-seconds"]),
  };
}

async function submitBulk(peer, tasks) {
  const payloads = Array.from({ length: tasks }, (_, n) => payload(n));
  const client = await peer.submitter(1);
  await client.one(payload(-1));
  const started = now();
  for (let first = 0; first < tasks; first += BATCH) {
    await client.many(payloads.slice(first, first + BATCH));
  }
  say({ seconds: now() - started });
  await client.close();
}

async function submitOne(peer, tasks, callers) {
  const client = await peer.submitter(callers);
  await call(client, Array(WARM_UP_CALLS * callers).fill(payload(-1)), callers);
  const payloads = Array.from({ length: tasks }, (_, n) => payload(n));
  const started = now();
  await call(client, payloads, callers);
  say({ seconds: now() - started });
  await client.close();
}

async function call(client, payloads, callers) {
  const left = payloads.values();
  const caller = async () => {
    for (const one of left) await client.one(one);
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

// At uneven times, so that nobody's polling can fall into step.
async function submitPaced(peer, tasks, seconds) {
  const client = await peer.submitter(1);
  for (let n = 0; n < tasks; n++) {
    await sleep(1000 * seconds * (0.5 + Math.random()));
    const called = now();
    await client.one(payload(n));
    say({ n, called });
  }
  await client.close();
}

async function work(peer, order, startsFrom) {
  let first = null;
  let count = 0;
  let said = 0;
  let starts = [];
  const begin = (n) => {
    if (!count) first = { first: now(), cpu: cpuSeconds() };
    count++;
    if (n >= startsFrom) starts.push([n, now()]);
  };
  const report = () => {
    if (count > said) say({ ...first, count, at: now(), starts });
    said = count;
    starts = [];
  };
  say({ ready: true });
  await lineOfInput();
  const reports = setInterval(report, REPORT_MILLISECONDS);
  const stop = await peer.work(begin, order);
  process.once("SIGTERM", async () => {
    await stop();
    clearInterval(reports);
    process.exit(0);
  });
}

function lineOfInput() {
  const lines = createInterface({ input: process.stdin });
  return new Promise((resolve) => lines.once("line", resolve)).finally(() => lines.close());
}

function payload(n) {
  return { n, text: TEXT };
}

// The monotonic clock of the machine, as in Python.
function now() {
  return Number(process.hrtime.bigint()) / 1e9;
}

function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function say(answer) {
  process.stdout.write(JSON.stringify(answer) + "\n");
}
