export type { RcuFlavour } from "./rcu/agent.ts";
export { RcuDomain, type RcuDomainOptions } from "./rcu/domain.ts";
export type { RcuStall, StalledAgent, StallOptions } from "./rcu/wait.ts";
