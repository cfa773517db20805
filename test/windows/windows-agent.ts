import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { WindowsAnswer, WindowsLab } from '../lab/windows.ts';
import type { Stack } from '../support/stack.ts';

export const PROGRAM = 'C:\\Program Files\\Passback';
export const DATA = 'C:\\ProgramData\\Passback';
export const CONFIG = `${DATA}\\passback.yaml`;
export const SECRET = `${DATA}\\directory.secret`;

/** The same inside the container. */
const DATA_INSIDE = '/wine/drive_c/ProgramData/Passback';

export interface ServiceState {
  readonly installed: boolean;
  readonly state?: string;
  readonly pid?: number;
  readonly exitCode?: number;
}

/** The agent as an admin of a Windows server has it. */
export class WindowsAgent {
  readonly #windows: WindowsLab;
  readonly #stack: Stack;

  constructor(windows: WindowsLab, stack: Stack) {
    this.#windows = windows;
    this.#stack = stack;
  }

  /** Runs `passback` in the way of the installed program. */
  passback(args: readonly string[], input = ''): Promise<WindowsAnswer> {
    return this.#windows.run([`${PROGRAM}\\node.exe`, `${PROGRAM}\\passback.js`, ...args], input);
  }

  /** Runs a script that may load koffi; what it prints is its answer. */
  async script(text: string): Promise<string> {
    const koffi = `file:///${PROGRAM.replaceAll('\\', '/')}/node_modules/koffi/index.js`;
    await writeFile(
      join(this.#stack.folder, 'script.mjs'),
      `import koffi from ${JSON.stringify(koffi)};\n${text}`,
    );
    const answer = await this.#windows.run([`${PROGRAM}\\node.exe`, 'X:\\script.mjs']);
    if (answer.code !== 0) throw new Error(answer.stderr);
    return answer.stdout.trim();
  }

  /** Starts or stops the service as Windows does: resolves before it has got there. */
  sc(what: 'start' | 'stop' | 'interrogate'): Promise<WindowsAnswer> {
    return this.#windows.run(['sc.exe', what, 'passback']);
  }

  async state(): Promise<ServiceState> {
    const { stdout } = await this.passback(['service', 'status', '--json']);
    return JSON.parse(stdout) as ServiceState;
  }

  /** Waits for a state without starting a program for each look. */
  async reaches(state: 'RUNNING' | 'STOPPED', limitS = 40): Promise<void> {
    await this.#windows.sh(
      `for i in $(seq ${limitS * 4}); do wine sc.exe query passback </dev/null 2>/dev/null | grep -q ${state} && exit 0; sleep 0.25; done; exit 1`,
    );
  }

  /** Puts the configuration of the stack's agent where an admin has it. */
  async configure(changes: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const { folder, agentConfigFile } = this.#stack;
    const config = parse(await readFile(agentConfigFile, 'utf8')) as Record<
      string,
      Record<string, unknown>
    >;
    const { service, directory, guard } = config;
    const bind = directory?.bind as Record<string, unknown>;
    const local = {
      service: { ...service, caFile: 'X:\\ca.pem' },
      directory: {
        ...directory,
        caFile: 'X:\\dc-ca.pem',
        bind: { ...bind, passwordFile: SECRET },
      },
      guard,
      health: { port: 0 },
      ...changes,
    };
    await writeFile(join(folder, 'windows.yaml'), stringify(local));
    await this.#windows.sh(`cp /exchange/windows.yaml ${DATA_INSIDE}/passback.yaml`);
  }

  /** A file below `C:\ProgramData\Passback`; nothing while it is not there. */
  async file(name: string): Promise<string> {
    return this.#windows.sh(`cat ${DATA_INSIDE}/${name} 2>/dev/null || true`);
  }

  /** The events that its log names, in order. */
  async events(): Promise<readonly Record<string, unknown>[]> {
    const lines = (await this.file('State/agent.log')).split('\n');
    return lines
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async names(): Promise<readonly unknown[]> {
    return (await this.events()).map(({ event }) => event);
  }

  /** Removes what the log holds, so that the next look finds only what is new. */
  async forgetLog(): Promise<void> {
    await this.#windows.sh(`rm -f ${DATA_INSIDE}/State/agent.log`);
  }
}
