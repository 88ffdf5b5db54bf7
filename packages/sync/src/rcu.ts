export { RcuDomain, type RcuDomainOptions } from "./rcu/domain.ts";
