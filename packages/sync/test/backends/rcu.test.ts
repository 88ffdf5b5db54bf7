/* The same tests over a SharedMemory, where the locks run their fast paths in WebAssembly. See support/memory.ts. */
import { describe } from "vitest";
import { useBackend } from "../support/memory.ts";

useBackend("wasm");

describe("over a SharedMemory", async () => {
  await import("../rcu.test.ts");
  await import("../rcu.qsbr.test.ts");
  await import("../rcu.writer.test.ts");
  await import("../rcu.prop.test.ts");
});
