export * as layout from "./layout.ts";
export {
  type BuiltTree,
  buildFromLayout,
  type MailVariant,
  mailLayout,
  mailTree,
  type NodeLayout,
  NodeNames,
} from "./testing/layout.ts";
export { type LookupStep, lookupSteps, WildNodeError } from "./testing/lookup-steps.ts";
export {
  POISON,
  poisonNode,
  type ReplaceEffect,
  type ReplaceStep,
  removeGracePeriod,
  replaceLeafInOrder,
  replaceOrders,
} from "./testing/replace-in-order.ts";
