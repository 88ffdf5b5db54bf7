/* Where the mortal threads find their domains; every domain has 4 slots. */
export const PLAN = { nap: 0, registry: 16, mb: 64, qsbr: 192, srcu: 320, words: 448 } as const;
