import { packageProject } from "../vitest.shared.ts";

export default packageProject("@faultline/tests", import.meta.url);
