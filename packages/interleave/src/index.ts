export { check } from "./check.ts";
export { InterleaveError, type InterleaveErrorCode } from "./errors.ts";
export type {
  AllowedRace,
  CheckOptions,
  Failure,
  FailureKind,
  Model,
  Progress,
  Report,
  Row,
  Strategy,
} from "./model.ts";
