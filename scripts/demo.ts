import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLab } from '../test/lab/start-lab.ts';
import { Stack } from '../test/support/stack.ts';
import { Story } from './demonstration/story.ts';
import { optionsOf } from './lib/options.ts';
import { thingsToTry } from './demonstration/things-to-try.ts';

/** Resolves on the first SIGINT or SIGTERM, however long ago it came. */
function toldToStop(): Promise<unknown> {
  return Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
}

async function demo(keepRunning: boolean): Promise<boolean> {
  const stopped = toldToStop();
  const folder = await mkdtemp(join(tmpdir(), 'passback-demo-'));
  try {
    console.log('1. A real Active Directory domain controller (Samba) in a container');
    await using lab = await startLab({
      progress: (line) => {
        console.log(`   ${line}`);
      },
    });
    console.log('2. The reset service and the agent, each a process of its own');
    await using stack = await Stack.prepare({ lab: lab.description, folder });
    const story = new Story({ lab, stack, say: console.log });
    const proven = await Promise.race([story.tell(), stopped.then(() => undefined)]);
    if (proven === undefined) return false;
    if (!keepRunning || !proven) return proven;
    console.log(thingsToTry(lab, stack));
    await stopped;
    console.log('\nStopping everything that was started');
    return true;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const values = optionsOf('scripts/demo', { once: { takes: 'nothing' } });
// Waiting for a signal alone does not keep a process alive.
const alive = setInterval(() => undefined, 60_000);
const proven = await demo(!values.once);
clearInterval(alive);
process.exitCode = proven ? 0 : 1;
