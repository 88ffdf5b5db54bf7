/*
 * Which lock is it, and of which class?
 *
 * Lock order is a property of classes, not of locks: "an inode's lock before a page's lock" holds for every
 * inode. The kernel takes the place in the code where a lock is initialised for its class. Locks here need no
 * initialisation (zeroed words are a lock), so a class has to be named; a lock without a name is a class of
 * its own, named after its kind and its word. That never reports what is not there, and sees less.
 *
 * Two objects on the same words are the same lock. The words are private to the lock, on purpose, so they are
 * found out the way a debugger would: `isLocked` is asked once per object, with `Atomics.load` watched.
 */

/** How a lock is called in reports and statistics. */
export interface LockClassOptions {
  /**
   * May a reader take the lock although it holds it in read mode already, and although a writer is queued?
   * Not true of `RwSem` with its Linux policy; true of locks that prefer readers. Default `false`.
   */
  readonly recursiveReads?: boolean;
}

/** As much of a lock as is needed to find its words. */
export interface LockLike {
  readonly isLocked: boolean;
}

/** One lock: all objects on the same words share it. */
export interface Place {
  readonly kind: string;
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
  const { words, word } = wordsOf(lock);
  let known = placesByBuffer.get(words.buffer);
  if (known === undefined) {
    bufferCount++;
    // Word 16 of two buffers is two locks; the first buffer, most often the only one, needs no number.
    known = { prefix: bufferCount === 1 ? "" : `${bufferCount}:`, places: new Map() };
    placesByBuffer.set(words.buffer, known);
  }
  const key = `${kind}@${known.prefix}${words.byteOffset / Int32Array.BYTES_PER_ELEMENT + word}`;
  let place = known.places.get(key);
  if (place === undefined) {
    place = { kind, className: key, recursiveReads: false };
    known.places.set(key, place);
  }
  return place;
}

/** The first word `isLocked` looks at is the lock's first word, in every lock of this package. */
function wordsOf(lock: LockLike): { words: Int32Array; word: number } {
  const atomics = Atomics as unknown as { load: (words: Int32Array, word: number) => number };
  const load = atomics.load;
  let seen: { words: Int32Array; word: number } | undefined;
  atomics.load = (words, word) => {
    seen ??= { words, word };
    return load(words, word);
  };
  try {
    void lock.isLocked;
  } finally {
    atomics.load = load;
  }
  return seen ?? { words: new Int32Array(1), word: 0 };
}
