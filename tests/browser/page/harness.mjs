// What the page's tests are written with: test(), checks, and Web Workers that take calls.

/** A test that has not ended by then never will; what is waited for takes milliseconds. */
const TEST_MS = 30_000;
const tests = [];
let workers = [];
/** Errors nobody has caught; they belong to the test that runs. */
let strays = [];

addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  strays.push(event.reason);
});

/** What `?plant=` names: a mistake the tests have to find. */
export const plant = new URL(location.href).searchParams.get("plant") ?? "";

export function test(name, run) {
  tests.push({ name, run });
}

/** Runs every test, one after the other, in the order of the files. */
export async function runTests(report) {
  for (const { name, run } of tests) {
    let error;
    try {
      await withLimit(run());
      if (strays.length > 0) throw strays[0];
    } catch (thrown) {
      error = String(thrown?.stack ?? thrown);
    }
    for (const worker of workers) worker.terminate();
    workers = [];
    strays = [];
    await report(name, error);
  }
}

function withLimit(promise) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${TEST_MS / 1000} s`)), TEST_MS);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

export function equal(got, wanted, what = "value") {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what} is ${a}, expected ${b}`);
}

/** Checks that `fn` throws, or that the promise it returns rejects, and hands back with what. */
export async function thrownBy(fn) {
  try {
    await fn();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

/** A few turns of the event loop, in which whatever can go on does. */
export async function turns(count = 5) {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 4));
}

/** Lets go of the event loop until `isSo()`; the limit of the test ends it. */
export async function until(isSo) {
  while (!isSo()) await turns(1);
}

/** Has this promise been settled after everything that can run has run? */
export async function isPending(promise) {
  const pending = Symbol("pending");
  return (await Promise.race([promise, turns().then(() => pending)])) === pending;
}

/** The bare Web Worker that carries out the functions of worker.mjs. It lives as long as the test. */
export function newWorker() {
  const worker = new Worker("/in-worker/page/worker.mjs", { type: "module" });
  workers.push(worker);
  return worker;
}

/** The same with a way to call them. */
export function startWorker() {
  const worker = newWorker();
  return {
    /** Calls a function there. @returns what it returns, or rejects with what it throws */
    call(name, argument) {
      return new Promise((resolve, reject) => {
        worker.onerror = (event) => reject(new Error(`worker: ${event.message}`));
        worker.onmessage = ({ data }) =>
          "error" in data ? reject(new Error(data.error)) : resolve(data.result);
        worker.postMessage({ name, argument });
      });
    },
  };
}
