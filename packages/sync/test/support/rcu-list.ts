/* Where the list of rcu.list.stress.test.ts is. An element: [value, NEXT, PREV], value = 3 * its word. */
export const LIST = { stop: 0, head: 16, domain: 32, pool: 128, elements: 40, stride: 4, link: 1 } as const;
export const LIST_WORDS: number = LIST.pool + LIST.elements * LIST.stride;
export const markOf = (element: number): number => element * 3;
