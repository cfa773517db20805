import { readFile } from 'node:fs/promises';
import type { CloudConfig } from '../../src/cloud/config/cloud-config.ts';
import { startCloud } from '../../src/cloud/server.ts';
import { winstonLogger } from '../../src/support/winston-logger.ts';
import { LeapingClock } from './leaping-calendar.ts';
import { measured } from './measured.ts';

/** The reset service as `passback-cloud serve` runs it, on a calendar of its own. */
export interface ServiceInput {
  readonly config: CloudConfig;
}

const { config } = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as ServiceInput;
const clock = new LeapingClock();
const log = winstonLogger({ ...config.logging, readable: false });
const running = await startCloud(config, { clock, log });
process.send?.({ address: running.address });
await new Promise<void>((resolve) => {
  measured(clock, resolve);
});
await running.close();
process.disconnect();
