/*
 * The shared memory of one execution: the buffers that `setup` made, numbered in order, and the real
 * operations on them.
 */
import { NondeterminismError } from "./errors.ts";
import { type AnyView, NativeSharedArrayBuffer, nativeAtomics, VIEWS } from "./natives.ts";
import type { ElementName, Op, Step, Value } from "./op.ts";

/** Buffers of one execution. */
export class Memory {
  readonly #ids: Map<ArrayBufferLike, number> = new Map();
  readonly #buffers: SharedArrayBuffer[] = [];
  readonly #views: Partial<Record<ElementName, AnyView>>[] = [];

  /** Makes a buffer that belongs to this execution. */
  allocate(bytes: number, options?: { maxByteLength?: number }): SharedArrayBuffer {
    const buffer = new NativeSharedArrayBuffer(bytes, options);
    this.#ids.set(buffer, this.#buffers.length);
    this.#buffers.push(buffer);
    this.#views.push({});
    return buffer;
  }

  /** Number of a buffer, `-1` if `setup` did not make it. */
  idOf(buffer: ArrayBufferLike): number {
    return this.#ids.get(buffer) ?? -1;
  }

  /** Sizes of all buffers: the same in every execution of a deterministic model. */
  sizes(): number[] {
    return this.#buffers.map((buffer) => buffer.byteLength);
  }

  #view(buffer: number, type: ElementName): AnyView {
    const views = this.#views[buffer];
    const storage = this.#buffers[buffer];
    if (views === undefined || storage === undefined) {
      throw new NondeterminismError(`buffer ${buffer} exists in one execution and not in another`);
    }
    const known = views[type];
    if (known !== undefined) return known;
    const length = Math.floor(storage.byteLength / VIEWS[type].BYTES_PER_ELEMENT);
    const view = new VIEWS[type](storage, 0, length);
    views[type] = view;
    return view;
  }

  /** Value of the element that the operation touches. */
  peek(op: Op): Value {
    return this.#view(op.buffer, op.type)[op.offset / op.size] as Value;
  }

  /** Stores what a step left: how a prefix is redone without running its code. */
  redo(step: Step): void {
    this.#view(step.op.buffer, step.op.type)[step.op.offset / step.op.size] = step.after;
  }

  /** Does the operation and returns its result; waiting and waking are the execution's. */
  perform(op: Op): unknown {
    const view = this.#view(op.buffer, op.type);
    const index = op.offset / op.size;
    switch (op.kind) {
      case "read":
        return view[index];
      case "write":
        view[index] = op.value;
        return undefined;
      case "load":
        return nativeAtomics.load(view, index);
      case "compareExchange":
        return nativeAtomics.compareExchange(view, index, op.value, op.replacement);
      case "wait":
      case "waitAsync":
      case "notify":
        return undefined;
      default:
        return nativeAtomics[op.kind](view, index, op.value);
    }
  }
}
