import { execFileSync } from 'node:child_process';

/** When everything was made, in seconds since 1970: as SOURCE_DATE_EPOCH says, else with the last commit. */
export function sourceDate(root: string): number {
  const given = process.env.SOURCE_DATE_EPOCH;
  const text =
    given ?? execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' });
  const epoch = Number(text);
  if (!Number.isSafeInteger(epoch) || epoch <= 0) throw new Error('SOURCE_DATE_EPOCH is no number');
  return epoch;
}
