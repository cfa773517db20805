import { countChecks, type CheckResult } from './checks.ts';
import { EXIT } from './command-line.ts';
import { packageVersion } from './version.ts';

/** What a doctor answers a program. */
export function doctorJson(checks: readonly CheckResult[]): string {
  const counts = countChecks(checks);
  return JSON.stringify({ version: packageVersion(), ok: counts.fail === 0, counts, checks });
}

/** What a doctor ends with: warnings are no failure, and a bad configuration is one of its own. */
export function doctorExit(results: readonly CheckResult[]): number {
  const bad = results.filter(({ standing }) => standing === 'fail');
  if (bad.length === 0) return EXIT.ok;
  return bad.some(({ id }) => id === 'config.settings') ? EXIT.config : EXIT.failed;
}
