/*
 * A thread that remembers nothing.
 *
 * Some of our code keeps what a thread knows about a lock in the thread's own memory, in tables by buffer: which
 * seat it has, for one. The threads of a model share one realm and so those tables, and each is executed many
 * times. So a thread gets the words under another buffer each time, and `Atomics` that sees through it.
 */

type Operation = (...given: unknown[]) => unknown;

const OPERATIONS = "load store add sub and or xor exchange compareExchange wait notify".split(" ");

/** Runs `fn` with its calls of `Atomics` going through `around`. */
export function throughAtomics<T>(
  around: (operation: Operation, given: readonly unknown[]) => unknown,
  fn: () => T,
): T {
  const methods = Atomics as unknown as Record<string, Operation>;
  const real = OPERATIONS.map((name) => [name, methods[name]!] as const);
  for (const [name, operation] of real) methods[name] = (...given) => around(operation, given);
  try {
    return fn();
  } finally {
    for (const [name, operation] of real) methods[name] = operation;
  }
}

/** Runs `fn` with a view of the words that no table knows. */
export function inOwnMemory<T>(words: Int32Array, fn: (words: Int32Array) => T): T {
  const buffer = new SharedArrayBuffer(4);
  const view = new Proxy(words, {
    get: (target, name) => (name === "buffer" ? buffer : (Reflect.get(target, name) as unknown)),
    set: (target, name, value) => Reflect.set(target, name, value),
  });
  return throughAtomics(
    (operation, [first, ...given]) => operation(first === view ? words : first, ...given),
    () => fn(view),
  );
}
