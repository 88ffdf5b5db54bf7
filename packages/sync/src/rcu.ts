export type { RcuFlavour } from "./rcu/agent.ts";
export { RcuDomain, type RcuDomainOptions } from "./rcu/domain.ts";
export type { StalledAgent } from "./rcu/source.ts";
export type { RcuStall, StallOptions } from "./rcu/wait.ts";
