import { readFile } from 'node:fs/promises';
import { runAgent } from '../../src/agent/agent.ts';
import type { AgentConfig } from '../../src/agent/config/agent-config.ts';
import { systemClock } from '../../src/support/clock.ts';
import { winstonLogger } from '../../src/support/winston-logger.ts';
import { FakeDirectory } from '../../test/support/fake-directory.ts';
import { usage } from './child.ts';
import { startProfile } from './cpu-profile.ts';

/** The whole agent as `passback run` runs it, over a directory that answers at once. */
const [configFile = '', accounts = '0'] = process.argv.slice(2);
const config = JSON.parse(await readFile(configFile, 'utf8')) as AgentConfig;
const directory = new FakeDirectory();
for (let i = 0; i < Number(accounts); i++) {
  directory.add({ sam: `user${i}`, password: 'Old-Password-1', facts: { pwdLastSet: '1' } });
}

const stop = { drain: new AbortController(), abort: new AbortController() };
let endProfile: Awaited<ReturnType<typeof startProfile>> | undefined;
process.on('message', (question: string | { readonly profiledTo: string }) => {
  if (question === 'usage') process.send?.(usage());
  if (question === 'writes') process.send?.(directory.writes);
  if (question === 'stop') stop.drain.abort();
  if (question === 'profile') void beginProfile();
  if (typeof question === 'object') void endProfile?.(question.profiledTo).then(answer);
});
process.on('disconnect', () => {
  stop.abort.abort();
});
const log = winstonLogger({ level: 'info', readable: false });
await runAgent(
  config,
  { drain: stop.drain.signal, abort: stop.abort.signal },
  { log, clock: systemClock, openDirectory: () => Promise.resolve(directory) },
);
process.disconnect();

async function beginProfile(): Promise<void> {
  endProfile = await startProfile();
  answer('begun');
}

function answer(what: object | string): void {
  process.send?.(what);
}
