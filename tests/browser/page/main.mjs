import { runTests } from "./harness.mjs";
import "./platform.test.mjs";
import "./locks.test.mjs";
import "./rcu.test.mjs";
import "./agents.test.mjs";
import "./tree.test.mjs";
import "./wasm.test.mjs";

const list = document.querySelector("#tests");
let failed = 0;

await runTests(async (name, error) => {
  const item = document.createElement("li");
  item.textContent = name;
  if (error !== undefined) {
    failed++;
    item.className = "failed";
    item.append(Object.assign(document.createElement("pre"), { textContent: error }));
  }
  list.append(item);
  // Opened by hand the page is its own report.
  await globalThis.reportTest?.(name, error ?? null);
});
document.querySelector("#state").textContent = `${list.children.length - failed} passed, ${failed} failed`;
await globalThis.reportEnd?.();
