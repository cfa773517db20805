// Prints "N passed, N failed[, N skipped]" from vitest's own JSON report; exits 1 when a test
// failed, a file could not be run, or nothing was run at all.
import { readFileSync } from 'node:fs';

const [path] = process.argv.slice(2);
const report = JSON.parse(readFileSync(path, 'utf8'));
const {
  numPassedTests: passed,
  numFailedTests,
  numPendingTests,
  numTodoTests,
  testResults,
} = report;
// A file that failed to load has no tests in it, but it did fail.
const brokenFiles = testResults.filter(
  ({ status, assertionResults }) =>
    status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
).length;
const failed = numFailedTests + brokenFiles;
const skipped = numPendingTests + numTodoTests;

console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
