import { packageProject } from "../../vitest.shared.ts";

export default packageProject("@faultline/sync", import.meta.url);
