import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RcuDomain, RcuList, RcuRef } from "../src/index.ts";

const code = (name: string) => expect.objectContaining({ code: name });
const LINK = 1;
const elements = (list: RcuList): number[] => {
  const seen: number[] = [];
  list.walk((element) => {
    seen.push(element);
    return undefined;
  });
  return seen;
};

describe("RcuRef", () => {
  it("publishes, replaces, and swaps only what it expects", () => {
    const ref = new RcuRef(new Int32Array(4), 2);
    ref.store(7);
    expect(ref.load()).toBe(7);
    expect(ref.replace(8)).toBe(7);
    expect(ref.compareAndReplace(7, 9)).toBe(false);
    expect(ref.compareAndReplace(8, 9)).toBe(true);
    expect(ref.loadProtected()).toBe(9);
    expect(() => new RcuRef(new Int32Array(4), 4)).toThrow("word must be an integer in 0..3");
  });

  it("refuses to be read outside a section, if it knows the domain", () => {
    const rcu = new RcuDomain(new Int32Array(RcuDomain.words(1)), 0, { agentsMax: 1 });
    const ref = new RcuRef(new Int32Array(1), 0, rcu);
    expect(() => ref.load()).toThrow(code("EPERM"));
    expect(rcu.read(() => ref.load())).toBe(0);
    expect(ref.loadProtected()).toBe(0);
  });
});

describe("RcuList", () => {
  it("lets a reader go on from an element that was removed under it", () => {
    const words = new Int32Array(64);
    const list = new RcuList(words, 0, LINK);
    for (const element of [10, 20, 30, 40]) list.addLast(element);
    const at = list.next(list.first());
    list.remove(20);
    list.remove(10);
    expect(at).toBe(20);
    expect(list.next(at)).toBe(30);
    list.replace(30, 50);
    expect(list.next(30)).toBe(40);
    expect(elements(list)).toEqual([50, 40]);
    expect(list.validate()).toBe(2);
  });

  it("stops where the visitor says", () => {
    const list = new RcuList(new Int32Array(64), 0, LINK);
    for (const element of [10, 20, 30]) list.addFirst(element);
    const seen: number[] = [];
    list.walk((element) => seen.push(element) < 2);
    expect(seen).toEqual([30, 20]);
  });

  it("refuses what is no element, or is one no longer", () => {
    const words = new Int32Array(64);
    const list = new RcuList(words, 0, LINK);
    list.addFirst(10);
    list.remove(10);
    expect(() => list.remove(10)).toThrow(code("EINVAL"));
    expect(() => list.addAfter(20, 10)).toThrow(code("EINVAL"));
    expect(() => list.replace(10, 20)).toThrow(code("EINVAL"));
    expect(() => list.addFirst(0)).toThrow("element must not be 0");
    expect(() => list.addLast(62)).toThrow(RangeError);
    expect(() => new RcuList(words, 0, -1)).toThrow("link must be an integer >= 0, got -1");
    expect(list.validate()).toBe(0);
    words[1] = 5;
    expect(() => list.validate()).toThrow("LAST is 5, the last element is 0");
  });

  it("does what an array does, whatever the updater does", () => {
    const action = fc.constantFrom("addFirst", "addLast", "addAfter", "remove", "replace");
    const steps = fc.array(fc.tuple(action, fc.nat()), { maxLength: 40, size: "max" });
    fc.assert(
      fc.property(steps, (script) => {
        const list = new RcuList(new Int32Array(256), 0, LINK);
        const model: number[] = [];
        for (const [index, [act, at]] of script.entries()) {
          const fresh = 4 + index * 4;
          const where = model.length === 0 ? -1 : at % model.length;
          if (act === "addFirst") model.unshift(fresh);
          else if (act === "addLast") model.push(fresh);
          else if (where === -1) continue;
          if (act === "addFirst" || act === "addLast") list[act](fresh);
          else if (act === "remove") list.remove(model.splice(where, 1)[0]);
          else if (act === "replace") list.replace(model.splice(where, 1, fresh)[0], fresh);
          else {
            list.addAfter(fresh, model[where]);
            model.splice(where + 1, 0, fresh);
          }
          expect(list.validate()).toBe(model.length);
          expect(elements(list)).toEqual(model);
        }
      }),
      { numRuns: 300 },
    );
  });
});
