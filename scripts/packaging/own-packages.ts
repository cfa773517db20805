import { onlyFor, packageOf, type Lock } from './lock.ts';
import { SERVICE_ONLY, type ProgramName } from './programs.ts';

/**
 * What has no business in a program's bundle: in the agent's, sources of the reset service and
 * packages that only it needs, and the reverse for sources. Empty when all is well.
 */
export function strangers(
  program: ProgramName,
  sources: readonly string[],
  lock: Lock,
): readonly string[] {
  const other = program === 'passback' ? 'src/cloud/' : 'src/agent/';
  const foreign = program === 'passback' ? onlyFor(SERVICE_ONLY, lock) : new Set<string>();
  return sources.filter((path) => path.startsWith(other) || foreign.has(packageOf(path) ?? path));
}
