import { failed, passed, warned, type Finding } from './checks.ts';
import { nodeDebugProblem, tlsVerificationProblem } from './environment-problems.ts';
import type { Environment } from './terminal.ts';

/** Past its end of life: no fixes come any more. */
const ENDED_MAJOR = 20;
const FLOOR = [20, 20] as const;

/** Looks at the runtime that this is, which is the one that a service gets from the same command. */
export function lookAtRuntime(
  nodeVersion: string,
  env: Environment,
  libraries: readonly string[] = [],
): Finding {
  const [major = 0, minor = 0] = nodeVersion.replace(/^v/, '').split('.').map(Number);
  if (major < FLOOR[0] || (major === FLOOR[0] && minor < FLOOR[1])) {
    const floor = FLOOR.join('.');
    return failed(`${nodeVersion} is older than ${floor}`, 'Install Node.js 24.');
  }
  const debug = nodeDebugProblem(env.NODE_DEBUG, libraries);
  const problem = debug ?? tlsVerificationProblem(env);
  if (problem !== undefined) return failed(problem, 'Correct the environment of the service.');
  if (major <= ENDED_MAJOR) {
    return warned(`${nodeVersion} is past its end of life`, 'Install Node.js 24 on servers.');
  }
  return passed(nodeVersion);
}
