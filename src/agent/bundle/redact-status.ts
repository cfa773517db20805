import { LocalStatus } from '../health/local-status.ts';

const TYPED = '[typed by a person]';

/** A pause's reason stands behind its times: `paused at the agent since … until …: REASON`. */
const PAUSE = /^(paused (?:at the agent|by the service)(?: (?:since|until) \S+)*): .*$/s;

/** What a running agent says, by its schema, without what people have typed. */
export function redactStatus(said: unknown, withTyped: boolean): unknown {
  const read = LocalStatus.safeParse(said);
  if (!read.success) return { problem: 'no running agent of this version answers' };
  if (withTyped) return read.data;
  const { pause, status, notReady, ...rest } = read.data;
  const clean = (reasons: readonly string[]): readonly string[] =>
    reasons.map((reason) => reason.replace(PAUSE, `$1: ${TYPED}`));
  return {
    ...rest,
    notReady: clean(notReady),
    status: { ...status, reasons: clean(status.reasons) },
    ...(pause !== undefined && { pause: { ...pause, reason: TYPED } }),
  };
}
