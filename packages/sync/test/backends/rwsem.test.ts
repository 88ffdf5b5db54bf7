/* The same tests over a SharedMemory, where the locks run their fast paths in WebAssembly. See support/memory.ts. */
import { describe } from "vitest";
import { useBackend } from "../support/memory.ts";

useBackend("wasm");

describe("over a SharedMemory", async () => {
  await import("../rwsem.test.ts");
  await import("../rwsem.model.test.ts");
});
