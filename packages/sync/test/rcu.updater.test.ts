/* What RcuDomain and SrcuDomain share as updaters: waits that end early, names in reports. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nameCurrentAgent, RcuDomain, type RcuStall, SrcuDomain, type StallOptions } from "../src/index.ts";
import { anotherAgent } from "./support/agents.ts";

const code = (name: string) => expect.objectContaining({ code: name });
type Options = StallOptions & { agentName?: string; agentId?: number };

const kinds = [
  {
    name: "RcuDomain, mb",
    open: (words: Int32Array, options?: Options) => new RcuDomain(words, 0, { agentsMax: 4, ...options }),
    enter: (domain: RcuDomain | SrcuDomain) => {
      (domain as RcuDomain).readLock();
      return () => (domain as RcuDomain).readUnlock();
    },
  },
  {
    name: "RcuDomain, qsbr",
    open: (words: Int32Array, options?: Options) =>
      new RcuDomain(words, 0, { agentsMax: 4, flavour: "qsbr", ...options }),
    enter: (domain: RcuDomain | SrcuDomain) => {
      (domain as RcuDomain).readLock();
      return () => {
        (domain as RcuDomain).readUnlock();
        (domain as RcuDomain).quiescentState();
      };
    },
  },
  {
    name: "SrcuDomain",
    open: (words: Int32Array, options?: Options) => new SrcuDomain(words, 0, { agentsMax: 4, ...options }),
    enter: (domain: RcuDomain | SrcuDomain) => {
      const index = (domain as SrcuDomain).readLock();
      return () => (domain as SrcuDomain).readUnlock(index);
    },
  },
];

describe.each(kinds)("updaters of $name", ({ name, open, enter }) => {
  let words: Int32Array;
  let reader: RcuDomain | SrcuDomain;
  let writer: RcuDomain | SrcuDomain;

  beforeEach(() => {
    words = new Int32Array(new SharedArrayBuffer(RcuDomain.words(4) * 4));
    reader = open(words, { agentId: 2048, agentName: "reader" });
    writer = open(anotherAgent(words));
  });
  afterEach(() => {
    reader.validate();
    writer.validate();
  });

  /** Ends a section that has spanned an await: it was protected until now, but qsbr complains. */
  const leaveLater = (leave: () => void) => {
    if (name === "RcuDomain, qsbr") expect(leave).toThrow(code("EINVAL"));
    else leave();
  };

  it("await the cookie's grace period, without callbacks", async () => {
    const leave = enter(reader);
    let ran = 0;
    writer.call(() => ran++);
    const trace: string[] = [];
    const done = writer.waitCookieAsync(writer.cookie()).then((isOver) => trace.push(`over ${isOver}`));
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    trace.push("left");
    leaveLater(leave);
    await done;
    expect(trace).toEqual(["left", "over true"]);
    expect(ran).toBe(0);
    expect(writer.runCallbacks()).toBe(1);
  });

  it("give up a wait whose time is over, and can wait again", async () => {
    // The section spans the turns in which the others wait, which qsbr finds out at its end.
    const leave = enter(reader);
    const cookie = writer.cookie();
    expect(writer.waitCookie(cookie, { timeoutMs: 2 })).toBe(false);
    if (name !== "RcuDomain, qsbr") {
      expect(await writer.waitCookieAsync(cookie, { timeoutMs: 2 })).toBe(false);
    }
    expect(writer.waitCookie(cookie, { timeoutMs: 0 })).toBe(false);
    leave();
    expect(writer.waitCookie(cookie, { timeoutMs: 0 })).toBe(true);
    expect(await writer.waitCookieAsync(cookie, { timeoutMs: 0 })).toBe(true);
    expect(() => writer.waitCookie(cookie, { timeoutMs: -1 })).toThrow(RangeError);
    await expect(writer.waitCookieAsync(cookie, { timeoutMs: Number.NaN })).rejects.toThrow(RangeError);
  });

  it("end a wait when its signal is aborted, with the reason", async () => {
    const leave = enter(reader);
    const controller = new AbortController();
    const { signal } = new AbortController();
    const done = writer.waitCookieAsync(writer.cookie(), { signal: controller.signal });
    const other = writer.waitCookieAsync(writer.cookie(), { signal });
    controller.abort("enough");
    const error = await done.then(
      () => undefined,
      (thrown) => thrown,
    );
    expect(error).toEqual(code("EINTR"));
    expect(error.cause).toBe("enough");
    await expect(writer.waitCookieAsync(writer.cookie(), { signal: AbortSignal.abort() })).rejects.toThrow(
      code("EINTR"),
    );
    leaveLater(leave);
    expect(await other).toBe(true);
  });

  it("name those who hold them up in a stall report", () => {
    const stalls: RcuStall[] = [];
    const leave = enter(reader);
    const onStall = (stall: RcuStall) => {
      stalls.push(stall);
      leave();
    };
    open(anotherAgent(words), { onStall, stallMs: 1 }).synchronize();
    expect(stalls[0].agents).toEqual([{ id: 2048, slot: 0, name: "reader" }]);
  });

  it("know an agent by its thread's name, the first 16 characters, and forget it with the slot", () => {
    const names: (string | undefined)[] = [];
    const stall = () => {
      const agent = open(anotherAgent(words));
      const leave = enter(agent);
      const onStall = ({ agents }: RcuStall) => {
        names.push(...agents.map((each) => each.name));
        leave();
      };
      open(anotherAgent(words), { onStall, stallMs: 1 }).synchronize();
      agent.close();
    };
    nameCurrentAgent("Łódź 🙂 has a long name");
    stall();
    nameCurrentAgent("");
    stall();
    expect(names).toEqual(["Łódź 🙂 has a lo", undefined]);
  });

  it("work with tasks of one thread on an ArrayBuffer, also with a signal or a time", async () => {
    if (name === "RcuDomain, qsbr") return expect.assertions(0); // its sections do not outlive a turn
    const alone = open(new Int32Array(RcuDomain.words(4)));
    const leave = enter(alone);
    const cookie = alone.cookie();
    expect(await alone.waitCookieAsync(cookie, { timeoutMs: 1 })).toBe(false);
    const controller = new AbortController();
    const aborted = alone.waitCookieAsync(cookie, { signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toThrow(code("EINTR"));
    const done = alone.waitCookieAsync(cookie);
    leave();
    expect(await done).toBe(true);
  });
});
