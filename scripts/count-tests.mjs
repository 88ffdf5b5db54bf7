// Sums the vitest reports that `turbo run test` left in */test-results, and prints "PASSED FAILED".
// A package with tests but without a report counts as one failure: its run did not get to its end.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const folders = [...readdirSync("packages").map((name) => join("packages", name)), "examples", "tests"];
let passed = 0;
let failed = 0;
for (const folder of folders.filter((name) => existsSync(join(name, "test")))) {
  const report = join(folder, "test-results", "vitest.json");
  if (!existsSync(report)) {
    process.stderr.write(`${report} is missing\n`);
    failed += 1;
    continue;
  }
  const { numPassedTests, numFailedTests, numFailedTestSuites, success } = JSON.parse(
    readFileSync(report, "utf8"),
  );
  passed += numPassedTests;
  failed += numFailedTests;
  if (numFailedTests === 0 && (numFailedTestSuites > 0 || !success)) failed += 1;
}
process.stdout.write(`${passed} ${failed}\n`);
