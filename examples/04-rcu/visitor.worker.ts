import { workerData } from "node:worker_threads";
import { RcuDomain } from "@faultline/sync";
import { answerWord, Command, commandWord, DOMAIN, ON_SHOW } from "./museum.ts";

const { words, visitor } = workerData as { words: Int32Array; visitor: number };
const rcu = new RcuDomain(words, DOMAIN);
const at = commandWord(visitor);
let seen = 0;

for (let isHere = true; isHere; ) {
  Atomics.wait(words, at, Command.none);
  switch (Atomics.load(words, at)) {
    case Command.enter:
      rcu.readLock();
      seen = Atomics.load(words, ON_SHOW);
      break;
    case Command.leave:
      rcu.readUnlock();
      break;
    case Command.goHome:
      rcu.close();
      isHere = false;
      break;
  }
  // A plain read: the picture was complete before the pointer to it was stored.
  Atomics.store(words, answerWord(visitor), words[seen] ?? 0);
  Atomics.store(words, at, Command.none);
  Atomics.notify(words, at);
}
