import { z } from 'zod';
import { timestamp, Timestamp } from '../../protocol/shapes.ts';
import { ControllerHealth, GuardSummary, StatusReport } from '../../protocol/status.ts';
import type { LinkReport } from '../link/link-report.ts';

const Text = z.string().max(4096);

const Pause = z.object({ reason: Text, since: Timestamp, until: Timestamp.optional() });

const Link = z.object({
  state: Text,
  since: Timestamp,
  url: Text.optional(),
  proxy: Text.optional(),
  issuer: Text.optional(),
  session: Text.optional(),
  connectedSince: Timestamp.optional(),
  disconnectedSince: Timestamp.optional(),
  lastFailure: z
    .object({ at: Timestamp, url: Text, reason: Text, refused: z.boolean() })
    .optional(),
  nextTryAt: Timestamp.optional(),
});

/** Whole, whatever a frame could carry of it. */
const WholeReport = StatusReport.extend({
  reasons: z.array(Text),
  controllers: z.array(ControllerHealth.extend({ problem: Text.optional() })),
});

/** What a running agent says of itself on its own machine. No secrets, no personal data. */
export const LocalStatus = z.object({
  agent: Text,
  directory: Text,
  build: z.object({ version: Text, node: Text, platform: Text, pid: z.int() }),
  /** Why no operation would be carried out now. */
  notReady: z.array(Text),
  /** What makes no progress. */
  stuck: z.array(Text),
  status: WholeReport,
  link: Link,
  guard: GuardSummary,
  /** Ordered at this machine. */
  pause: Pause.optional(),
});

export type LocalStatus = z.infer<typeof LocalStatus>;

/** The report of the link as JSON has it. */
export function linkStatus(report: LinkReport): LocalStatus['link'] {
  const { since, connectedSince, disconnectedSince, lastFailure, nextTryAt, ...plain } = report;
  return {
    ...plain,
    since: timestamp(since),
    ...(connectedSince !== undefined && { connectedSince: timestamp(connectedSince) }),
    ...(disconnectedSince !== undefined && { disconnectedSince: timestamp(disconnectedSince) }),
    ...(lastFailure !== undefined && {
      lastFailure: { ...lastFailure, at: timestamp(lastFailure.at) },
    }),
    ...(nextTryAt !== undefined && { nextTryAt: timestamp(nextTryAt) }),
  };
}

/** Answers of the control socket to `POST /refresh`: whether a pause of this machine holds now. */
export const Refreshed = z.object({ paused: z.boolean() });

export type Refreshed = z.infer<typeof Refreshed>;
