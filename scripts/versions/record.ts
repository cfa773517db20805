import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageVersion } from '../../src/support/version.ts';
import { eventually } from '../../test/support/eventually.ts';
import { Api } from '../benchmark/api.ts';
import { joinUp } from './stories.ts';
import { mustBe, mustEnd, type Step, type Trial } from './trial.ts';

/** Stands for the folder that everything was in. */
const RECORDED_AT = '/recorded';

/** Locks, sockets, room that is kept; the root key, which is off line. */
const LEFT_OUT = /(?:\/lock\.[^/]+|\.sock|\.reserve|-shm|\/serve\.lock|\/root\.json)$/;

/** What has to be found again in a recording. */
export interface Recording {
  readonly version: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly agent: string;
  readonly fingerprint: string;
  readonly url: string;
  /** An operation with its outcome, and one that was written while nobody heard of it. */
  readonly done: string;
  readonly underWay: string;
}

/**
 * Leaves in `out` what this version keeps on disk: configurations, state, keys and database of a service
 * and an agent that were killed with a reset under way, paused at the agent. The keys are of no other use.
 */
export function record(out: string) {
  return async (trial: Trial, step: Step): Promise<void> => {
    const { stack, directory } = trial;
    const { anna } = directory;
    await step(`kept in ${out}`, async () => {
      const { agent, fingerprint } = await joinUp(trial);
      const api = await Api.open(stack);
      const done = await api.prepare(anna.objectGuid, 'Before-Upgrade-1');
      await api.apply(done);
      const underWay = await api.prepare(anna.objectGuid, 'Under-Way-2');
      directory.losesAnswers = true;
      void api.handIn(underWay).catch(() => undefined);
      await eventually(() => {
        mustBe('passwords written', anna.passwordWrites, 2);
      }, 20_000);
      await stack.agent?.stop('SIGKILL');
      const config = ['--config', stack.agentConfigFile];
      mustEnd(await stack.run('agent', ['pause', '--reason', 'recorded', ...config]), 0);
      // Not killed: what is in SQLite's log is then in the file.
      await stack.cloud?.stop();
      api.close();
      await keep(trial, out);
      const idOf = ({ path }: { readonly path: string }): string => path.replace('operations/', '');
      const recording: Recording = {
        ...{ version: packageVersion(), at: Date.now(), agent, fingerprint, url: stack.url },
        ...{ done: idOf(done), underWay: idOf(underWay) },
      };
      await writeFile(join(out, 'recording.json'), `${JSON.stringify(recording, undefined, 2)}\n`);
      return undefined;
    });
  };
}

async function keep({ stack }: Trial, out: string): Promise<void> {
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  for (const [from, to] of [
    [stack.agentState, 'state'],
    [stack.cloudData, 'data'],
  ] as const) {
    await cp(from, join(out, to), {
      recursive: true,
      filter: (path) => !LEFT_OUT.test(path),
    });
  }
  await cp(stack.agentConfigFile, join(out, 'passback.yaml'));
  for (const name of (await readdir(out, { recursive: true })).filter((n) => n.endsWith('.yaml'))) {
    const text = await readFile(join(out, name), 'utf8');
    await writeFile(join(out, name), text.replaceAll(stack.folder, RECORDED_AT));
  }
}
