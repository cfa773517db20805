import type { BootedSystem } from '../../../test/lab/booted-system.ts';
import type { DockerAnswer } from '../../../test/lab/docker.ts';
import { shellWord } from '../../../src/support/shell-word.ts';
import { until } from '../machine.ts';

/** A machine, and an administrator before it. */
export interface Host {
  readonly system: BootedSystem;
  /** Whose shell it is, and the folder that it is in. */
  readonly account: string;
  readonly folder: string;
}

/** Of a command that asks for nothing and waits for nobody; `operate` waits for an outcome, up to a minute. */
const COMMAND_LIMIT_S = 90;

/**
 * Types lines into one shell, which is left at the first one that does not end with 0, as `set -e` does.
 * Resolves with what was printed; rejects with it, and with the lines, when one went wrong.
 */
export async function type(host: Host, lines: string, input = ''): Promise<string> {
  const { exitCode, output } = await ask(host, lines, input);
  if (exitCode === 0) return output;
  throw new Error(`exit code ${exitCode} after\n${lines}\n${output}`);
}

/** The same, and its end is an answer. */
export function ask(host: Host, lines: string, input = ''): Promise<DockerAnswer> {
  // An alias works where somebody types.
  const script = `shopt -s expand_aliases\n${lines}`;
  const shell = `timeout ${COMMAND_LIMIT_S} ${asAccount(host)} bash -euc ${shellWord(script)}`;
  return host.system.try(`cd ${host.folder}; ${shell}`, input);
}

/** A command that goes on until it is told to end. */
export interface Running {
  /** Tells it to end. Rejects, with its last words, when it does not end with 0. */
  end(): Promise<void>;
}

/** Types a command that does not end, and resolves when its log has `event`. */
export async function leaveRunning(host: Host, command: string, event: string): Promise<Running> {
  const { system, folder } = host;
  const [pid, log] = [`${event}.pid`, `${event}.log`].map((name) => `/run/typed-${name}`);
  // The same process all along, so that the signal reaches the program itself.
  const script = `exec ${command}`;
  const ended = system.try(
    `cd ${folder}; echo $$ > ${pid}; exec ${asAccount(host)} bash -euc ${shellWord(script)} > ${log} 2>&1`,
  );
  const words = (): Promise<string> => system.run(`tail -n 15 ${log}`);
  const early = ended.then(async ({ exitCode }) => {
    throw new Error(`${command} ended with ${exitCode}:\n${await words()}`);
  });
  const isUp = async (): Promise<boolean> =>
    (await system.try(`grep -q '"${event}"' ${log}`)).exitCode === 0;
  await Promise.race([until(isUp, `${event} of ${command}`), early]);
  return {
    end: async () => {
      await system.run(`kill -TERM $(cat ${pid})`);
      const { exitCode } = await ended;
      if (exitCode !== 0) throw new Error(`${command} ended with ${exitCode}:\n${await words()}`);
    },
  };
}

/** The one right is for port 443, and of no use to root, who has it. */
function asAccount({ account }: Host): string {
  if (account === 'root') return '';
  const rights = '--inh-caps=+net_bind_service --ambient-caps=+net_bind_service';
  return `setpriv --reuid=${account} --regid=${account} --init-groups --reset-env ${rights}`;
}
