/* The calls of the normal API: `mt_*` and `mtree_*`. */
import { MAX_INDEX, type SharedMapleTree } from "@faultline/maple-tree";
import { errnoOf, type SuiteState } from "./suite-state.ts";
import { indexOf, type Json, jsonOf, type Line, type Outcome } from "./trace.ts";

/** Runs one line on tree `args[0]`. */
export function treeOperation(state: SuiteState, line: Line, args: Json[]): Outcome {
  const t = Number(args[0]);
  if (line[0] === "tree") return makeTree(state, t, Number(args[1]), line[3]);
  if (line[0] === "mt_init_flags") {
    state.makeTree(t, Number(args[1]));
    return undefined;
  }
  const tree = state.tree(t);
  return (
    stores(state, tree, line[0], args) ??
    reads(state, tree, line[0], args) ??
    searches(state, tree, line[0], args) ??
    whole(state, t, line[0], args)
  );
}

function makeTree(state: SuiteState, t: number, flags: number, contents: Json | undefined): Outcome {
  const tree = state.makeTree(t, flags);
  for (const range of (contents ?? []) as Json[][]) {
    tree.storeRange(indexOf(range[0]), indexOf(range[1]), state.entries.handle(range[2]));
  }
  return undefined;
}

function stores(state: SuiteState, tree: SharedMapleTree, op: Json | undefined, args: Json[]): Outcome {
  const { entries } = state;
  switch (op) {
    case "mtree_store":
      return [errnoOf(() => tree.storeRange(indexOf(args[1]), indexOf(args[1]), entries.handle(args[2])))];
    case "mtree_store_range":
      return [errnoOf(() => tree.storeRange(indexOf(args[1]), indexOf(args[2]), entries.handle(args[3])))];
    case "mtree_insert":
      return [errnoOf(() => tree.insertRange(indexOf(args[1]), indexOf(args[1]), entries.handle(args[2])))];
    case "mtree_insert_range":
      return [errnoOf(() => tree.insertRange(indexOf(args[1]), indexOf(args[2]), entries.handle(args[3])))];
    case "mtree_erase":
      return [entries.entry(tree.erase(indexOf(args[1])))];
    default:
      return undefined;
  }
}

function reads(state: SuiteState, tree: SharedMapleTree, op: Json | undefined, args: Json[]): Outcome {
  const { entries } = state;
  switch (op) {
    case "mtree_load":
      return [entries.entry(tree.load(indexOf(args[1])))];
    case "mt_find":
      return find(state, tree, indexOf(args[1]), indexOf(args[2]));
    case "mt_find_after":
      // Index 0 says that the range found before ran to the top.
      if (args[1] === 0) return [null, [0]];
      return find(state, tree, indexOf(args[1]), indexOf(args[2]));
    case "mt_next":
      return [entries.entry(tree.cursor(indexOf(args[1])).next(indexOf(args[2])))];
    case "mt_prev":
      return [entries.entry(tree.cursor(indexOf(args[1])).prev(indexOf(args[2])))];
    default:
      return undefined;
  }
}

function find(state: SuiteState, tree: SharedMapleTree, at: number, max: number): Outcome {
  const found = tree.find(at, max);
  if (found === undefined) return [null, [jsonOf(at)]];
  return [state.entries.entry(found.entry), [found.last === MAX_INDEX ? 0 : jsonOf(found.last + 1)]];
}

function searches(state: SuiteState, tree: SharedMapleTree, op: Json | undefined, args: Json[]): Outcome {
  const handle = (): number => state.entries.handle(args[1]);
  switch (op) {
    case "mtree_alloc_range":
    case "mtree_alloc_rrange": {
      const request = { size: indexOf(args[2]), min: indexOf(args[3]), max: indexOf(args[4]) };
      let start = 0;
      const errno = errnoOf(() => {
        start =
          op === "mtree_alloc_range"
            ? tree.allocate(handle(), request)
            : tree.allocateReverse(handle(), request);
      });
      return [errno, errno === 0 ? [jsonOf(start)] : []];
    }
    case "mtree_alloc_cyclic": {
      const request = { min: indexOf(args[2]), max: indexOf(args[3]), next: indexOf(args[4]) };
      let out: Json[] = [];
      let wrapped = false;
      const errno = errnoOf(() => {
        const found = tree.allocateCyclic(handle(), request);
        wrapped = found.wrapped;
        out = [jsonOf(found.index), jsonOf(found.next)];
      });
      return errno < 0 ? [errno] : [wrapped ? 1 : errno, out];
    }
    default:
      return undefined;
  }
}

function whole(state: SuiteState, t: number, op: Json | undefined, args: Json[]): Outcome {
  const tree = state.tree(t);
  switch (op) {
    case "mtree_dup":
    case "__mt_dup":
      return [state.duplicate(t, Number(args[1]))];
    case "mtree_destroy":
    case "__mt_destroy":
      tree.clear();
      return undefined;
    case "mtree_empty":
      return [tree.isEmpty];
    case "mt_height":
      return [tree.height];
    case "mt_validate":
      return undefined;
    case "mt_set_in_rcu":
    case "mt_clear_in_rcu":
      state.setRcu(t, op === "mt_set_in_rcu");
      return undefined;
    default:
      throw new Error(`unknown operation ${JSON.stringify(op)}`);
  }
}
