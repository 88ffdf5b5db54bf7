import { packageProject } from "../../vitest.shared.ts";

export default packageProject("@faultline/maple-tree", import.meta.url);
