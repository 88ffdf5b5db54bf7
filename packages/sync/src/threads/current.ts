/*
 * Who is this thread? Domains and locks ask when they write an owner into shared words. One value per thread,
 * because a module is instantiated once per thread.
 */
let current = 0;
let name: string | undefined;

/** Id of this thread in the thread registry, 0 if it has not joined one. */
export function currentAgentId(): number {
  return current;
}

export function setCurrentAgentId(id: number): void {
  current = id;
}

/**
 * Names this thread, for reports such as those of RCU stalls: do it before the thread first reads in a domain,
 * which keeps the first 16 characters. Needs no registry.
 */
export function nameCurrentAgent(newName: string): void {
  name = newName;
}

/** Name of this thread; default the `name` a Web Worker was started with, else empty. */
export function currentAgentName(): string {
  const given = (globalThis as { name?: unknown }).name;
  return name ?? (typeof given === "string" ? given : "");
}
