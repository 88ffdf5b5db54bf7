import { packageProject } from "../../vitest.shared.ts";

export default packageProject("@faultline/mm", import.meta.url);
