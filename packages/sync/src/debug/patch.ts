/*
 * Methods put in front of others for as long as the checks are on, and the question whether the package itself is
 * at work: what an instrumented method calls in turn is not the user's locking.
 */

/** Replaced methods of one agent. */
export class Patches {
  readonly #undo: (() => void)[] = [];
  #isInside = false;
  /** The next try is the package's own; see instrument.ts. */
  skipsTry = false;
  /** Called before each sleep of the package's own in this thread. */
  beforeOwnSleep: (() => void) | undefined;

  /** Does the package run, called by an instrumented method? */
  get isInside(): boolean {
    return this.#isInside;
  }

  /** Runs a part of the package itself: the locks it takes are not the user's. Must return before any await. */
  inside<T>(run: () => T): T {
    const was = this.#isInside;
    this.#isInside = true;
    try {
      return run();
    } finally {
      this.#isInside = was;
      if (!was) this.skipsTry = false;
    }
  }

  /** Puts a method in front of one that the object has or inherits. */
  replace<M extends (...args: never[]) => unknown>(
    target: object,
    name: string,
    wrap: (original: M) => M,
  ): void {
    const own = Object.getOwnPropertyDescriptor(target, name);
    const value = wrap(method<M>(target, name));
    Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: false });
    this.onRestore(() => {
      if (own === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, own);
    });
  }

  /** Has `undo` called when everything is put back; the last one first. */
  onRestore(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** Puts every original back. */
  restore(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }
}

/** A method by its name. */
export function method<M>(target: object, name: string): M {
  return (target as Record<string, unknown>)[name] as M;
}
