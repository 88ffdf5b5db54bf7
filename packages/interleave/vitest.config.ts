import { packageProject } from "../../vitest.shared.ts";

export default packageProject("@faultline/interleave", import.meta.url);
