import { packageProject } from "../../vitest.shared.ts";

export default packageProject("@faultline/fault-sim", import.meta.url);
