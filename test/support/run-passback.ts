import { runProgram } from '../../src/agent/cli/program.ts';
import type { Terminal } from '../../src/support/terminal.ts';

export interface Ran {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

/** One command line of the agent in this process. */
export async function passback(
  args: readonly string[],
  env: Record<string, string> = {},
  more: Partial<Terminal> = {},
): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  let code = 0;
  const never = new AbortController().signal;
  await runProgram(args, {
    env,
    print: (text) => out.push(text),
    complain: (text) => err.push(text),
    setExitCode: (value) => {
      code = value;
    },
    stopSignals: () => ({ drain: never, abort: never }),
    ...more,
  });
  return { out: out.join('\n'), err: err.join('\n'), code };
}
