// Every model of our own code, in the order of the packages.
import { pairs as arena } from "./arena.model.ts";
import { pairs as arenaSharing } from "./arena-sharing.model.ts";
import { pairs as conditions } from "./conditions.model.ts";
import { pairs as data } from "./data.model.ts";
import { pairs as deaths } from "./deaths.model.ts";
import { pairs as events } from "./events.model.ts";
import { pairs as gracePeriods } from "./grace-periods.model.ts";
import { pairs as locks } from "./locks.model.ts";
import { pairs as maple } from "./maple.model.ts";
import { pairs as queued } from "./queued-locks.model.ts";
import { pairs as rcu } from "./rcu.model.ts";
import { pairs as robustWaits } from "./robust-waits.model.ts";
import { pairs as rwsem } from "./rwsem.model.ts";
import { pairs as policies } from "./rwsem-policies.model.ts";
import type { ModelPair } from "./support.ts";

export const PAIRS: readonly ModelPair[] = [
  ...locks,
  ...queued,
  ...rwsem,
  ...policies,
  ...deaths,
  ...robustWaits,
  ...events,
  ...conditions,
  ...data,
  ...rcu,
  ...gracePeriods,
  ...arena,
  ...arenaSharing,
  ...maple,
];
