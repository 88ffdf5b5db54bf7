/* The calls of the advanced API: `mas_*`, and what the C tests did to the fields of a state. */
import type { CursorStatus, MapleCursor } from "@faultline/maple-tree";
import { errnoOf, type SuiteCursor, type SuiteState } from "./suite-state.ts";
import { indexOf, type Json, jsonOf, type Line, type Outcome } from "./trace.ts";

/** Runs one line on cursor `args[0]`. */
export function cursorOperation(state: SuiteState, line: Line, args: Json[]): Outcome {
  const m = Number(args[0]);
  if (line[0] === "MA_STATE") {
    state.makeCursor(m, Number(args[1]), indexOf(args[2]), indexOf(args[3]));
    return undefined;
  }
  const suite = state.cursor(m);
  const { cursor } = suite;
  const [result, ...out] = call(state, suite, line[0], args);
  if (result === undefined) return undefined;
  return [result, stateOf(cursor), ...out];
}

/** `[index, last, status]`, and the errno or the place in the node. */
function stateOf(cursor: MapleCursor): Json {
  const state: Json[] = [jsonOf(cursor.index), jsonOf(cursor.last), cursor.status];
  if (cursor.status === "error") state.push(cursor.error);
  if (cursor.status === "active") {
    const at = cursor.position();
    if (at !== undefined) state.push(jsonOf(at.min), jsonOf(at.max), at.slot);
  }
  return state;
}

function call(
  state: SuiteState,
  suite: SuiteCursor,
  op: Json | undefined,
  args: Json[],
): [Json | undefined, ...Json[]] {
  const { cursor } = suite;
  const step = STEPS[String(op)];
  if (step !== undefined)
    return [state.entries.entry(step(cursor, args[1] === undefined ? 0 : indexOf(args[1])))];
  switch (op) {
    case "mas_reset":
      cursor.reset();
      return [null];
    case "mas_pause":
      cursor.pause();
      return [null];
    case "mas_set":
      cursor.set(indexOf(args[1]));
      return [null];
    case "mas_set_range":
      cursor.set(indexOf(args[1]), indexOf(args[2]));
      return [null];
    case "__mas_set_range":
      cursor.setWithin(indexOf(args[1]), indexOf(args[2]));
      return [null];
    case "poke":
      // As in C, any two numbers.
      cursor.index = indexOf(args[1]);
      cursor.last = indexOf(args[2]);
      poke(cursor, args[3] as CursorStatus);
      return [undefined];
    case "seek":
      cursor.set(indexOf(args[1]));
      cursor.walk();
      cursor.setWithin(indexOf(args[2]), indexOf(args[3]));
      return [undefined];
    default:
      return writes(state, suite, op, args);
  }
}

function poke(cursor: MapleCursor, status: CursorStatus): void {
  if (status === "start") cursor.reset();
  else if (status === "pause") cursor.pause();
  else cursor.status = status;
}

const STEPS: Readonly<Record<string, (cursor: MapleCursor, limit: number) => number>> = {
  mas_walk: (m) => m.walk(),
  mas_find: (m, max) => m.find(max),
  mas_find_range: (m, max) => m.findRange(max),
  mas_find_rev: (m, min) => m.findRev(min),
  mas_find_range_rev: (m, min) => m.findRangeRev(min),
  mas_next: (m, max) => m.next(max),
  mas_next_range: (m, max) => m.nextRange(max),
  mas_prev: (m, min) => m.prev(min),
  mas_prev_range: (m, min) => m.prevRange(min),
};

function writes(
  state: SuiteState,
  suite: SuiteCursor,
  op: Json | undefined,
  args: Json[],
): [Json | undefined, ...Json[]] {
  const { cursor } = suite;
  const handle = (): number => state.entries.handle(args[1]);
  switch (op) {
    case "mas_erase":
      return [state.entries.entry(cursor.erase())];
    case "mas_store": {
      // mas_store() never sleeps.
      state.nowait = true;
      let old = 0;
      errnoOf(() => {
        old = cursor.store(handle());
      });
      return [state.entries.entry(old)];
    }
    case "mas_store_gfp":
      return [errnoOf(() => cursor.store(handle()))];
    case "mas_preallocate":
      suite.reservation?.release();
      suite.reservation = undefined;
      return [
        errnoOf(() => {
          suite.reservation = cursor.reserve(handle());
        }),
      ];
    case "mas_store_prealloc":
      if (suite.reservation === undefined) throw new Error("nothing was preallocated");
      suite.reservation.commit();
      suite.reservation = undefined;
      return [null];
    case "mas_expected_entries":
      return [
        errnoOf(() => {
          cursor.expectedEntries(indexOf(args[1]));
        }),
      ];
    case "mas_nomem":
      return [cursor.nomem()];
    case "mas_destroy":
      suite.reservation?.release();
      suite.reservation = undefined;
      cursor.destroy();
      return [null];
    default:
      return gaps(state, cursor, op, args);
  }
}

function gaps(
  state: SuiteState,
  cursor: MapleCursor,
  op: Json | undefined,
  args: Json[],
): [Json | undefined, ...Json[]] {
  switch (op) {
    case "mas_empty_area":
      return [cursor.emptyArea(indexOf(args[1]), indexOf(args[2]), indexOf(args[3]))];
    case "mas_empty_area_rev":
      return [cursor.emptyAreaRev(indexOf(args[1]), indexOf(args[2]), indexOf(args[3]))];
    case "mas_alloc_cyclic": {
      const request = { min: indexOf(args[2]), max: indexOf(args[3]), next: indexOf(args[4]) };
      let out: Json[] = [];
      let wrapped = false;
      const errno = errnoOf(() => {
        const found = cursor.allocateCyclic(state.entries.handle(args[1]), request);
        wrapped = found.wrapped;
        out = [jsonOf(found.index), jsonOf(found.next)];
      });
      return errno < 0 ? [errno] : [wrapped ? 1 : errno, out];
    }
    default:
      throw new Error(`unknown operation ${JSON.stringify(op)}`);
  }
}
