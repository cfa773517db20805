import { InvalidArgumentError, type Command } from 'commander';
import { Sha256, Uuid } from '../../protocol/shapes.ts';
import { shellWord } from '../../support/shell-word.ts';
import type { ApiFlags } from './api-client.ts';
import { directoryId } from './setup-commands.ts';

/** Adds the options of every command that works over the API. */
export function withApiFlags(command: Command): Command {
  return command
    .requiredOption('--url <url>', 'address of the reset service')
    .requiredOption('--key-file <file>', 'file with an API key of `key add`')
    .requiredOption('--directory <id>', 'the directory', directoryId)
    .option('--ca <file>', 'PEM file of the CA of the service, when it is your own')
    .option('--json', 'print the answer as JSON');
}

/** The same options for another command line that is shown. */
export function againWith({ directory, url, keyFile, ca }: ApiFlags): string {
  const flags = ['--directory', directory, '--url', url, '--key-file', keyFile];
  return [...flags, ...(ca === undefined ? [] : ['--ca', ca])].map(shellWord).join(' ');
}

/** A whole number in a range, for commander; stays a text because it goes into a request. */
export function wholeNumber(from: number, to?: number): (text: string) => string {
  const range = to === undefined ? `${from} or more` : `from ${from} to ${to}`;
  return (text) => {
    const isGood =
      /^\d{1,15}$/.test(text) && Number(text) >= from && Number(text) <= (to ?? Infinity);
    if (isGood) return text;
    throw new InvalidArgumentError(`expected a whole number, ${range}`);
  };
}

/** An id that this command shows, for commander. */
export function idFrom(command: string): (text: string) => string {
  return (text) => {
    if (Uuid.safeParse(text).success) return text;
    throw new InvalidArgumentError(`expected a UUID: \`${command}\` shows them`);
  };
}

/** What `passback enroll` printed, for commander. */
export function fingerprintText(text: string): string {
  if (Sha256.safeParse(text).success) return text;
  throw new InvalidArgumentError('expected the 43 characters that `passback enroll` printed');
}
