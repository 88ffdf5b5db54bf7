import { packageProject } from "../vitest.shared.ts";

export default packageProject("@faultline/examples", import.meta.url);
