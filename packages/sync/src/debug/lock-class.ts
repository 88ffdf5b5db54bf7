/*
 * Which lock is it, and of which class?
 *
 * Lock order is a property of classes, not of locks: "an inode's lock before a page's lock" holds for every
 * inode. The kernel takes the place in the code where a lock is initialised for its class. Locks here need no
 * initialisation (zeroed words are a lock), so a class has to be named; a lock without a name is a class of
 * its own, named after its kind and its word. That never reports what is not there, and sees less.
 *
 * Two objects on the same words are the same lock. The words are private to the lock, on purpose, so they are
 * found out the way a debugger would: the object is asked once how it is, with `Atomics.load` watched.
 */

/** How a lock is called in reports and statistics. */
export interface LockClassOptions {
  /**
   * May a reader take the lock although it holds it in read mode already, and although a writer is queued?
   * Not true of `RwSem` with its Linux policy; true of locks that prefer readers. Default `false`.
   */
  readonly recursiveReads?: boolean;
}

/** A lock of this package, or something else of it that threads wait for: a `Completion`, for example. */
export type LockLike = object;

/** One lock: all objects on the same words share it. */
export interface Place {
  readonly kind: string;
  readonly buffer: ArrayBufferLike;
  /** First word of the lock, counted from the start of the buffer. */
  readonly first: number;
  className: string;
  recursiveReads: boolean;
}

interface Naming {
  readonly name: string;
  readonly options: LockClassOptions;
}

const namings = new WeakMap<LockLike, Naming>();
const placeByLock = new WeakMap<LockLike, Place>();
const placesByBuffer = new WeakMap<ArrayBufferLike, { prefix: string; places: Map<string, Place> }>();
let bufferCount = 0;

/** Remembers the name; costs nothing else until the lock is first seen by the checks. */
export function nameLock(lock: LockLike, name: string, options: LockClassOptions): void {
  if (name === "") throw new RangeError("lockClass: name must not be empty");
  const naming = { name, options };
  namings.set(lock, naming);
  const place = placeByLock.get(lock);
  if (place !== undefined) applyName(place, naming);
}

/** The lock behind an object; `kind` is the name of its class in this package. */
export function placeOf(lock: LockLike, kind: string = lock.constructor.name): Place {
  const known = placeByLock.get(lock);
  if (known !== undefined) return known;
  const place = findPlace(lock, kind);
  placeByLock.set(lock, place);
  const naming = namings.get(lock);
  if (naming !== undefined) applyName(place, naming);
  return place;
}

function applyName(place: Place, naming: Naming): void {
  place.className = naming.name;
  place.recursiveReads = naming.options.recursiveReads === true;
}

function findPlace(lock: LockLike, kind: string): Place {
  const { words, word } = wordsOf(lock, kind);
  const first = words.byteOffset / Int32Array.BYTES_PER_ELEMENT + word;
  let known = placesByBuffer.get(words.buffer);
  if (known === undefined) {
    bufferCount++;
    // Word 16 of two buffers is two locks; the first buffer, most often the only one, needs no number.
    known = { prefix: bufferCount === 1 ? "" : `${bufferCount}:`, places: new Map() };
    placesByBuffer.set(words.buffer, known);
  }
  const key = `${kind}@${known.prefix}${first}`;
  let place = known.places.get(key);
  if (place === undefined) {
    place = { kind, buffer: words.buffer, first, className: key, recursiveReads: false };
    known.places.set(key, place);
  }
  return place;
}

/** A property whose getter looks at a word of the lock, and how far that is from its first. */
interface Probe {
  readonly property: string;
  readonly offset: number;
}
const LOCKED: Probe = { property: "isLocked", offset: 0 };
const PROBES: Readonly<Record<string, Probe>> = {
  PerWorkerRwSem: { property: "isWriteLocked", offset: 2 },
  RobustPerWorkerRwSem: { property: "isWriteLocked", offset: 2 },
  SeqLock: { property: "isWriting", offset: 0 },
  Semaphore: { property: "available", offset: 0 },
  RobustSemaphore: { property: "available", offset: 64 },
  Completion: { property: "isDone", offset: 0 },
  Barrier: { property: "arrived", offset: 1 },
  WaitQueueHead: { property: "waiterCount", offset: 1 },
};

/** The first word that the probe's getter looks at tells where the lock is. */
function wordsOf(lock: LockLike, kind: string): { words: Int32Array; word: number } {
  const { property, offset } = PROBES[kind] ?? LOCKED;
  const atomics = Atomics as unknown as { load: (words: Int32Array, word: number) => number };
  const load = atomics.load;
  let seen: { words: Int32Array; word: number } | undefined;
  atomics.load = (words, word) => {
    seen ??= { words, word: word - offset };
    return load(words, word);
  };
  try {
    void (lock as Record<string, unknown>)[property];
  } finally {
    atomics.load = load;
  }
  return seen ?? { words: new Int32Array(1), word: 0 };
}
