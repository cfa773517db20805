import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GenericContainer } from 'testcontainers';
import { docker, tryDocker } from './docker.ts';
import { windowsImage, type Progress } from './image.ts';

/** Where a folder of this machine is inside: `C:\Program Files\Passback`. */
const PROGRAM_FILES = '/wine/drive_c/Program Files/Passback';

/** Another folder of this machine, for what tests bring and look at: `X:\`. */
const EXCHANGE = '/exchange';

/** For the longest: many starts and stops on a machine that is busy. */
const COMMAND_LIMIT_S = 220;

export interface WindowsAnswer {
  /** Its last 8 bits: wine cannot say more to the system below it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface WindowsOptions {
  /** What is to be in `C:\Program Files\Passback`: a bundle. */
  readonly program: string;
  /** What is to be `X:\`. */
  readonly exchange: string;
  readonly progress?: Progress;
}

/**
 * Something that runs programs for Windows: wine in a container, on the network of this machine, so
 * that it reaches what tests start on loopback.
 */
export interface WindowsLab extends AsyncDisposable {
  /** Runs a program of Windows to its end. `input` is its standard input. */
  run(args: readonly string[], input?: string): Promise<WindowsAnswer>;
  /** Runs a command of the container's own. */
  sh(script: string): Promise<string>;
  /** What services have reported to the Event Log, as wine prints it: it keeps none. */
  eventLog(): Promise<string>;
}

/** Resolves when programs of Windows run; `[Symbol.asyncDispose]` removes it again. */
export async function startWindows(options: WindowsOptions): Promise<WindowsLab> {
  const image = await windowsImage(options.progress ?? (() => undefined));
  const container = await new GenericContainer(image)
    .withNetworkMode('host')
    .withEnvironment({ WINEDEBUG: '-all,+eventlog' })
    .withBindMounts([
      { source: options.program, target: PROGRAM_FILES },
      { source: options.exchange, target: EXCHANGE },
    ])
    .start();
  const id = container.getId();
  const sh = (script: string): Promise<string> => docker(['exec', id, 'sh', '-c', script]);
  await sh(`ln -sfn ${EXCHANGE} /wine/dosdevices/x:`);
  return {
    sh,
    eventLog: async () => (await tryDocker(['logs', id])).output,
    run: (args, input = '') => run({ id, exchange: options.exchange }, args, input),
    [Symbol.asyncDispose]: async () => {
      await container.stop({ timeout: 1 });
    },
  };
}

interface Place {
  readonly id: string;
  readonly exchange: string;
}

/** Node.js takes files under wine for its standard streams, but no pipes. */
async function run(
  { id, exchange }: Place,
  args: readonly string[],
  input: string,
): Promise<WindowsAnswer> {
  const name = randomUUID();
  await writeFile(join(exchange, `${name}.in`), input);
  const streams = ['<in', '>out', '2>err'].map((part) =>
    part.replace(/(in|out|err)$/, `${EXCHANGE}/${name}.$1`),
  );
  const script = `WINEDEBUG=-all timeout ${COMMAND_LIMIT_S} wine "$@" ${streams.join(' ')}`;
  const { exitCode } = await tryDocker(['exec', id, 'sh', '-c', script, 'sh', ...args]);
  const [stdout, stderr] = await Promise.all(
    ['out', 'err'].map((what) => readFile(join(exchange, `${name}.${what}`), 'utf8')),
  );
  return { code: exitCode, stdout: stdout ?? '', stderr: stderr ?? '' };
}
