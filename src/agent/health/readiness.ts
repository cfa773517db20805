import type { StatusReport } from '../../protocol/status.ts';
import type { LinkReport } from '../link/link-report.ts';
import { noSessionBecause } from './link-words.ts';
import { isUsable } from './status.ts';

export interface ReadinessFacts {
  readonly link: LinkReport;
  /** Whether the service has approved this agent; undefined before it has said. */
  readonly approved: boolean | undefined;
  readonly draining: boolean;
  readonly report: Pick<StatusReport, 'state' | 'reasons' | 'controllers'>;
}

/** Why no operation would be carried out now; empty when one would. */
export function notReadyBecause(facts: ReadinessFacts): readonly string[] {
  const { link, approved, draining, report } = facts;
  const noSession = noSessionBecause(link);
  const stopped = report.state === 'paused' || report.state === 'down';
  const reasons = [
    ...(draining ? ['the agent is stopping'] : []),
    ...(noSession === undefined ? [] : [noSession]),
    ...(approved === true || noSession !== undefined
      ? []
      : ['the service has not approved this agent yet']),
    ...(report.controllers.some(isUsable) ? [] : ['no domain controller can be used']),
    ...(stopped ? report.reasons : []),
  ];
  return [...new Set(reasons)].map((reason) => reason.replaceAll(/\p{C}+/gu, ' '));
}
