/** Agents below this are asked to update. */
export const OLDEST_VERSION = '0.1.0';

/** Whether a version such as `1.2.3` comes before another; what is no version does. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [parse(version), parse(than)];
  if (a === undefined || b === undefined) return a === undefined;
  const index = a.findIndex((part, at) => part !== b[at]);
  return index >= 0 && (a[index] ?? 0) < (b[index] ?? 0);
}

function parse(version: string): readonly number[] | undefined {
  const match = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:[-+].*)?$/.exec(version);
  return match?.slice(1).map(Number);
}
