import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLab } from '../test/lab/start-lab.ts';
import type { Program, ProgramName } from '../test/support/program.ts';
import { Stack } from '../test/support/stack.ts';
import { Story } from './demonstration/story.ts';
import { optionsOf } from './lib/options.ts';
import { thingsToTry } from './demonstration/things-to-try.ts';
import { Watch } from './demonstration/watch.ts';

/** Resolves on the first SIGINT or SIGTERM, however long ago it came, and says so at once. */
async function toldToStop(): Promise<undefined> {
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  console.log('\nStopping everything that was started');
}

/** Resolves with whether every step was proven, and nothing ended by itself. */
async function demo(keepRunning: boolean): Promise<boolean> {
  const stopped = toldToStop();
  const folder = await mkdtemp(join(tmpdir(), 'passback-demo-'));
  const watch = new Watch(console.log);
  void stopped.then(() => {
    watch.stopping();
  });
  try {
    return await show({ keepRunning, folder, watch, stopped });
  } catch (error) {
    if (watch.died || watch.isStopping) return false; // that has been said
    throw error;
  } finally {
    if (watch.died) console.log(`Logs, keys and state are kept in ${folder}`);
    else await rm(folder, { recursive: true, force: true });
  }
}

interface Showing {
  readonly keepRunning: boolean;
  readonly folder: string;
  readonly watch: Watch;
  readonly stopped: Promise<undefined>;
}

async function show({ keepRunning, folder, watch, stopped }: Showing): Promise<boolean> {
  console.log('1. A real Active Directory domain controller (Samba) in a container');
  await using lab = await startLab({
    progress: (line) => {
      console.log(`   ${line}`);
    },
  });
  if (watch.isStopping) return false; // while the lab was starting
  console.log('2. The reset service and the agent, each a process of its own');
  const onStart = (what: ProgramName, program: Program): void => {
    const logFile = join(folder, `${what}.log`);
    const log = createWriteStream(logFile);
    program.process.stdout?.pipe(log, { end: false });
    program.process.stderr?.pipe(log, { end: false });
    void watch.over(what, program, logFile);
  };
  await using stack = await Stack.prepare({ lab: lab.description, folder, onStart });
  const story = new Story({ lab, stack, say: console.log });
  const proven = await Promise.race([story.tell(), stopped]);
  if (proven === true && keepRunning) {
    console.log(thingsToTry(lab, stack));
    await stopped;
  }
  watch.stopping();
  return proven === true && !watch.died;
}

const values = optionsOf('scripts/demo', { once: { takes: 'nothing' } });
// Waiting for a signal alone does not keep a process alive.
const alive = setInterval(() => undefined, 60_000);
const proven = await demo(!values.once);
clearInterval(alive);
process.exitCode = proven ? 0 : 1;
