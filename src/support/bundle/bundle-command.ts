import { arch, release, uptime } from 'node:os';
import { resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { packageVersion } from '../version.ts';
import { bundleName, MAX_LINES, writeBundle } from './write-bundle.ts';
import type { ArchivedFile } from './tar.ts';

/** What every `support-bundle` can be told. */
export interface BundleFlags {
  readonly out?: string;
  readonly log?: string;
  readonly lines: number;
  readonly withAccounts?: true;
  readonly json?: true;
}

/** Adds the options of `support-bundle` that both programs have. */
export function addBundleOptions(command: Command, program: string): Command {
  return command
    .option('--out <file>', `the file to make (default: ${program}-support-TIME.tar.gz here)`)
    .option('--log <file>', 'log lines; - reads standard input (default: logging.file)')
    .option('--lines <count>', 'how many of the last log lines', lineCount, 2_000)
    .option('--with-accounts', 'also names of accounts, and texts that may hold some')
    .option('--json', 'print the result as JSON');
}

function lineCount(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= MAX_LINES) return Number(text);
  throw new InvalidArgumentError(`expected a number up to ${MAX_LINES}`);
}

export interface Finished {
  readonly program: string;
  readonly files: readonly ArchivedFile[];
  /** Whether there was a log to take lines from. */
  readonly hasLog: boolean;
  /** Lines of it that are not the program's. */
  readonly notOurs: number;
  readonly now: number;
}

/** Writes the bundle and gives what to print. Rejects with `UsageError`. */
export async function finishBundle(
  { out, json }: BundleFlags,
  { program, files, hasLog, notOurs, now }: Finished,
): Promise<string> {
  const path = resolve(out ?? bundleName(program, now));
  await writeBundle(path, files, now);
  const entries = files.map(({ name }) => name);
  if (json === true) return JSON.stringify({ file: path, entries });
  const strange =
    notOurs === 0
      ? ''
      : `\n${notOurs} lines of the log are no log lines of ${program} and were left out.`;
  const wrote = `Wrote ${path}: ${entries.map((name) => name.split('/').at(-1)).join(', ')}.${strange}`;
  return hasLog
    ? wrote
    : `${wrote}\nLog lines are not in it: the log goes to standard output. Add --log FILE, or journalctl -u ${program} -o cat | … --log -`;
}

/** What the program runs on. */
export function versions(now: number): unknown {
  const { version: node, platform } = process;
  const upSince = new Date(now - Math.round(uptime()) * 1000).toISOString();
  return { passback: packageVersion(), node, platform, release: release(), arch: arch(), upSince };
}
