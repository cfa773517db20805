import { readFile } from 'node:fs/promises';
import { runAgent } from '../../src/agent/agent.ts';
import type { AgentConfig } from '../../src/agent/config/agent-config.ts';
import { enroll } from '../../src/agent/identity/enroll.ts';
import { openOutbound } from '../../src/agent/outbound.ts';
import { packageVersion } from '../../src/support/version.ts';
import { winstonLogger } from '../../src/support/winston-logger.ts';
import { fastSchedule, LeapingClock } from './leaping-calendar.ts';
import { measured } from './measured.ts';

/** The agent as `passback enroll` and `passback run` run it, on a calendar of its own. */
export interface AgentInput {
  readonly config: AgentConfig;
  /** How many times as fast its calendar is. */
  readonly speed: number;
  readonly token: string;
}

const { config, speed, token } = JSON.parse(
  await readFile(process.argv[2] ?? '', 'utf8'),
) as AgentInput;
const clock = new LeapingClock();
const log = winstonLogger({ ...config.logging, readable: false });
const abort = new AbortController().signal;
const enrolled = await enroll(
  {
    url: config.service.urls[0] ?? '',
    tokenText: token,
    name: 'soak',
    version: packageVersion(),
    stateFolder: config.stateFolder,
    outbound: await openOutbound(config.service, clock),
    clock,
  },
  abort,
);
process.send?.(enrolled);
const drain = new AbortController();
measured(clock, () => {
  drain.abort();
});
await runAgent(
  config,
  { drain: drain.signal, abort },
  { log, clock, schedule: fastSchedule(speed) },
);
process.disconnect();
