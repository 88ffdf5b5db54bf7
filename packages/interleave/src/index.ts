export { check } from "./check.ts";
export { InterleaveError, type InterleaveErrorCode } from "./errors.ts";
export { reportHtml } from "./html.ts";
export { mergeReports } from "./merge.ts";
export type {
  AllowedRace,
  CheckOptions,
  Coverage,
  Failure,
  FailureKind,
  Missed,
  Model,
  Progress,
  Report,
  Row,
  Strategy,
} from "./model.ts";
export { failureText, type Paint, PLAIN, reportText, scheduleTable, summaryText } from "./table.ts";
