/** Words by which arena.stress.test.ts and its workers talk, from the first of 16 carved ones. */

/** Number of agents that have started, so that they run at the same time. */
export const STARTED = 0;
/** 1 once the reader's section is open; 2 when it may be closed. */
export const SECTION = 1;
/** Word of the object that readers look at. */
export const PUBLISHED = 2;
/** 1 when readers shall end. */
export const STOP = 3;

export const OBJECT_WORDS = 16;
/** What the test leaves in word 0 of an object that is no longer published. */
export const DEAD = -1;
