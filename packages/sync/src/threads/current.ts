/*
 * Who is this thread? Domains and locks ask when they write an owner into shared words. One value per thread,
 * because a module is instantiated once per thread.
 */
let current = 0;

/** Id of this thread in the thread registry, 0 if it has not joined one. */
export function currentAgentId(): number {
  return current;
}

export function setCurrentAgentId(id: number): void {
  current = id;
}
