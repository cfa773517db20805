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

/** Milliseconds until it ran and until it had stopped, and the code it ended with. */
export interface Cycle {
  readonly runningMs: number;
  readonly stoppedMs: number;
  readonly exitCode: number;
}

/** An agent without the service control manager. */
export interface Foreground {
  readonly ended: Promise<number>;
  readonly interrupt: () => Promise<void>;
  /** What it has printed. */
  readonly log: () => Promise<string>;
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
  sc(what: 'start' | 'stop'): Promise<WindowsAnswer> {
    return this.#windows.run(['sc.exe', what, 'passback']);
  }

  async state(): Promise<ServiceState> {
    const { stdout } = await this.passback(['service', 'status', '--json']);
    return JSON.parse(stdout) as ServiceState;
  }

  /** Starts and stops it so many times, as fast as it gets there. */
  async cycle(times: number): Promise<readonly Cycle[]> {
    return JSON.parse(await this.script(cycleScript(times))) as Cycle[];
  }

  /**
   * Starts it in the foreground, in a console of its own, as WinSW does. `interrupt` gives it Ctrl-C in the
   * same way; `ended` resolves with its exit code.
   */
  runInForeground(): Foreground {
    const at = (name: string): string => join(this.#stack.folder, name);
    const ended = this.script(FOREGROUND_SCRIPT).then(Number);
    ended.catch(() => undefined); // whoever waits for it is told
    return {
      ended,
      interrupt: () => writeFile(at('interrupt'), ''),
      log: () => readFile(at('foreground.log'), 'utf8').catch(() => ''),
    };
  }

  /** Waits for a state without starting a program for each look. */
  async reaches(state: 'RUNNING' | 'STOPPED', limitS = 40): Promise<void> {
    await this.#windows.sh(
      `for i in $(seq ${limitS * 4}); do WINEDEBUG=-all wine sc.exe query passback </dev/null 2>/dev/null | grep -q ${state} && exit 0; sleep 0.25; done; exit 1`,
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

  /** Puts files there that every account may read and change, in folders that are so, too. */
  async plant(names: readonly string[]): Promise<void> {
    const paths = names.map((name) => `${DATA_INSIDE}/${name}`);
    const folders = paths.map((path) => path.slice(0, path.lastIndexOf('/')));
    await this.#windows.sh(
      `mkdir -p ${folders.join(' ')} && touch ${paths.join(' ')} && chmod -R a+rwX ${DATA_INSIDE}`,
    );
  }

  /** Makes another account the owner of a file: whoever is not wine's own is somebody else to it. */
  async giveAway(name: string): Promise<void> {
    await this.#windows.sh(`chown 4711 ${DATA_INSIDE}/${name}`);
  }

  async takeBack(name: string): Promise<void> {
    await this.#windows.sh(`chown "$(id -u)" ${DATA_INSIDE}/${name}`);
  }

  async nameTwice(name: string, second: string): Promise<void> {
    await this.#windows.sh(`ln ${DATA_INSIDE}/${name} ${DATA_INSIDE}/${second}`);
  }

  async remove(name: string): Promise<void> {
    await this.#windows.sh(`rm ${DATA_INSIDE}/${name}`);
  }

  /** Of the folder and what is in it all that every account can read or change. */
  async openToOthers(): Promise<readonly string[]> {
    const found = await this.#windows.sh(`find ${DATA_INSIDE} -perm /007`);
    return found.split('\n').filter((path) => path !== '');
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

const CYCLE_LIMIT_MS = 40_000;

/** One program for all, because starting one for each look would take longer than what is looked at. */
function cycleScript(times: number): string {
  return `
    import { setTimeout as sleep } from 'node:timers/promises';
    const advapi = koffi.load('advapi32.dll');
    const manager = advapi.func('void *OpenSCManagerW(void *a, void *b, uint32 access)')(null, null, 1);
    const service = advapi.func('void *OpenServiceW(void *m, str16 name, uint32 access)')(manager, 'passback', 0x34);
    const start = advapi.func('int StartServiceW(void *service, uint32 count, void *words)');
    const control = advapi.func('int ControlService(void *service, uint32 control, void *status)');
    const query = advapi.func('int QueryServiceStatus(void *service, void *status)');
    const status = Buffer.alloc(28);
    const reach = async (state) => {
      const began = Date.now();
      while (Date.now() - began < ${CYCLE_LIMIT_MS}) {
        query(service, status);
        if (status.readUInt32LE(4) === state) return Date.now() - began;
        await sleep(10);
      }
      throw new Error('state ' + status.readUInt32LE(4) + ' instead of ' + state);
    };
    const cycles = [];
    for (let cycle = 0; cycle < ${times}; cycle += 1) {
      if (start(service, 0, null) === 0) throw new Error('not started in cycle ' + cycle);
      const runningMs = await reach(4);
      if (control(service, 1, status) === 0) throw new Error('not told to stop in cycle ' + cycle);
      const stoppedMs = await reach(1);
      cycles.push({ runningMs, stoppedMs, exitCode: status.readUInt32LE(12) });
    }
    console.log(JSON.stringify(cycles));`;
}

/**
 * Whoever has no console, as every service, starts a program in one of its own. Ctrl-C is for all in a console, so
 * who gives it to that program goes into it, and does not listen.
 */
const FOREGROUND_SCRIPT = `
    import { spawn } from 'node:child_process';
    import { once } from 'node:events';
    import { existsSync, openSync } from 'node:fs';
    const kernel = koffi.load('kernel32.dll');
    const leave = kernel.func('int FreeConsole()');
    const enter = kernel.func('int AttachConsole(uint32 pid)');
    const listen = kernel.func('int SetConsoleCtrlHandler(void *handler, int ignored)');
    const press = kernel.func('int GenerateConsoleCtrlEvent(uint32 key, uint32 group)');
    leave(); // that of wine, which would be none to the agent
    const log = openSync('X:\\\\foreground.log', 'w');
    const agent = spawn(
      process.execPath,
      [${JSON.stringify(`${PROGRAM}\\passback.js`)}, 'run', '--config', ${JSON.stringify(CONFIG)}],
      { stdio: ['ignore', log, log] },
    );
    const looking = setInterval(() => {
      if (!existsSync('X:\\\\interrupt')) return;
      clearInterval(looking);
      if (enter(agent.pid) === 0) throw new Error('it has no console');
      listen(null, 1);
      if (press(0, 0) === 0) throw new Error('Ctrl-C was not given');
    }, 100);
    const [code] = await once(agent, 'exit');
    console.log(code);`;
