import { packageProject } from "../../vitest.shared.ts";

export default packageProject("@faultline/arena", import.meta.url);
