// Web Workers that die: the page learns of it, and nobody waits for them any longer.
import { RcuDomain, SrcuDomain, spawnWebAgent, ThreadRegistry } from "@faultline/sync";
import { equal, isPending, newWorker, plant, test, until } from "./harness.mjs";
import { newWords, Word } from "./shared.mjs";

/** A worker that joins and then does `act`, with a registry which has both domains stop waiting for the dead. */
function spawn(act, options) {
  const words = newWords();
  const registry = new ThreadRegistry(words, Word.Registry);
  const domains = [new RcuDomain(words, Word.Rcu), new SrcuDomain(words, Word.Srcu)];
  const deaths = [];
  registry.onDeath((death) => deaths.push(death));
  if (plant !== "deaf") for (const domain of domains) registry.onDeath(({ id }) => domain.agentDied(id));
  const start = (seat) => {
    const worker = newWorker();
    worker.postMessage({ name: "agentInSection", argument: { words, seat, act } });
    return worker;
  };
  const agent = spawnWebAgent(registry, start, options);
  const isReading = () => Atomics.load(words, Word.Held) === 1;
  return { words, registry, domains, deaths, agent, isReading };
}

for (const act of ["sleep", "spin"]) {
  test(`agents: a worker that is terminated in its sections, where it ${act}s, holds nobody up`, async () => {
    const { registry, domains, deaths, agent, isReading } = spawn(act);
    await until(isReading);
    equal(registry.stateOf(agent.id), "alive");
    const waits = domains.map((domain) => domain.synchronizeAsync());
    equal(await isPending(Promise.race(waits)), true, "waiting for the worker's sections");
    agent.worker.terminate();
    equal(await agent.ended, true, "whether it died");
    await Promise.all(waits);
    equal(
      deaths.map(({ id }) => id),
      [agent.id],
    );
    equal(registry.agents, []);
    for (const domain of domains) domain.validate();
    registry.validate();
  });
}

test("agents: a worker that closes itself without leaving has died", async () => {
  const { domains, agent, deaths } = spawn("close");
  equal(await agent.ended, true, "whether it died");
  equal(deaths.length, 1, "deaths");
  for (const domain of domains) await domain.synchronizeAsync();
});

test("agents: a worker that leaves and closes itself has not died", async () => {
  const { agent, deaths } = spawn("leave");
  equal(await agent.ended, false, "whether it died");
  equal(deaths.length, 0, "deaths");
});

test("agents: an error that a worker does not handle ends it, and is kept", async () => {
  const { agent, deaths, domains } = spawn("throw");
  agent.worker.addEventListener("error", (event) => event.preventDefault());
  equal(await agent.ended, true, "whether it died");
  equal(
    /in the section/.test(String(deaths[0].error?.message ?? deaths[0].error)),
    true,
    "the error is kept",
  );
  for (const domain of domains) await domain.synchronizeAsync();
});

test("agents: a worker that gives no sign of life for too long is ended", async () => {
  const { agent, deaths, domains } = spawn("spin", { silentMs: 400 });
  equal(await agent.ended, true, "whether it died");
  equal(String(deaths[0].error), "Error: no sign of life for 400 ms");
  for (const domain of domains) await domain.synchronizeAsync();
});
