import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CompactJws, timestamp } from '../../protocol/shapes.ts';
import { systemClock } from '../../support/clock.ts';
import { textOf, UsageError } from '../../support/usage-error.ts';
import { dataFolder } from '../data-folder.ts';
import {
  draftKeySet,
  installKeySet,
  rotateKeys,
  signKeySet,
  type KeySetSummary,
} from '../keys/create-keys.ts';
import { KeyFolder, readRootKey } from '../keys/key-folder.ts';
import { writeNewFile } from './new-file.ts';
import {
  CONFIG_FLAG,
  CONFIG_HELP,
  DATA_FLAG,
  DATA_HELP,
  placeOf,
  readConfig,
  type PlaceFlags,
} from './setup-commands.ts';
import type { Terminal } from './terminal.ts';
import { parseJson } from '../../support/parse-json.ts';

const COMPROMISED_FLAG = '--compromised';
const COMPROMISED_HELP = 'take no key over from the set before: somebody may have a copy';

const JSON_FLAG = '--json';
const JSON_HELP = 'print number and end of the key set as JSON';

const ROTATE_EXAMPLES = `
Examples:
  passback-cloud keys rotate --data /var/lib/passback-cloud
  passback-cloud keys rotate --compromised --data /var/lib/passback-cloud     (after a theft)`;

const DRAFT_EXAMPLE = `
Example:
  passback-cloud keys draft --out draft.json --data /var/lib/passback-cloud`;

const SIGN_EXAMPLE = `
Example:
  passback-cloud keys sign --root root.json --in draft.json --out signed.json`;

const INSTALL_EXAMPLE = `
Example:
  passback-cloud keys install --in signed.json --data /var/lib/passback-cloud`;

const NOTES = `
With the root key off line:
  passback-cloud keys draft --out draft.json --data …      (on the service)
  passback-cloud keys sign --root root.json --in draft.json --out signed.json   (where the root is)
  passback-cloud keys install --in signed.json --data …    (on the service)
A running service finds the new set within seconds and tells its agents; no restart.`;

interface RotateFlags extends PlaceFlags {
  readonly compromised?: true;
  readonly json?: true;
}

/** Adds `keys rotate`, and its three steps for a root key that is kept off line. */
export function addKeysCommand(program: Command, terminal: Terminal): void {
  const keys = program
    .command('keys')
    .description("the service's own keys")
    .addHelpText('after', NOTES);
  keys
    .command('rotate')
    .description('make a new command-signing key; needs the root key in the key folder')
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option(COMPROMISED_FLAG, COMPROMISED_HELP)
    .option(JSON_FLAG, JSON_HELP)
    .addHelpText('after', ROTATE_EXAMPLES)
    .action(async (flags: RotateFlags) => {
      const { folder, ...rotation } = await rotationOf(flags, terminal);
      say(terminal, flags, await rotateKeys(folder, rotation));
    });
  addDraft(keys, terminal);
  addSign(keys, terminal);
  addInstall(keys, terminal);
}

function addDraft(keys: Command, terminal: Terminal): void {
  keys
    .command('draft')
    .description('make the next key set, for the root key to sign elsewhere')
    .requiredOption('--out <file>', 'new file for the draft; it holds nothing secret')
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option(COMPROMISED_FLAG, COMPROMISED_HELP)
    .addHelpText('after', DRAFT_EXAMPLE)
    .action(async (flags: RotateFlags & { readonly out: string }) => {
      const { folder, ...rotation } = await rotationOf(flags, terminal);
      const out = resolve(flags.out);
      await writeNewFile(
        out,
        '--out',
        async () => `${JSON.stringify(await draftKeySet(folder, rotation), undefined, 2)}\n`,
      );
      terminal.print(
        [
          `Wrote a draft to ${out}. Next, where the root key is:`,
          '  passback-cloud keys sign --root root.json --in draft.json --out signed.json',
          'then here:',
          `  passback-cloud keys install --in signed.json ${placeOf(flags)}`,
        ].join('\n'),
      );
    });
}

function addSign(keys: Command, terminal: Terminal): void {
  keys
    .command('sign')
    .description('sign a draft with the root key; needs neither the service nor its data')
    .requiredOption('--root <file>', 'the private root key, root.json')
    .requiredOption('--in <file>', 'what `keys draft` wrote')
    .requiredOption('--out <file>', 'new file for the signed key set')
    .addHelpText('after', SIGN_EXAMPLE)
    .action(async (flags: Readonly<Record<'root' | 'in' | 'out', string>>) => {
      const root = await readRootKey(resolve(flags.root));
      const draft: unknown = parseJson(await textOf(flags.in, '--in'));
      const out = resolve(flags.out);
      await writeNewFile(out, '--out', async () => `${await signKeySet(root, draft)}\n`);
      terminal.print(`Signed with root key ${root.kid} into ${out}. Next, on the service:
  passback-cloud keys install --in signed.json --data …`);
    });
}

function addInstall(keys: Command, terminal: Terminal): void {
  keys
    .command('install')
    .description('take a signed key set into use')
    .requiredOption('--in <file>', 'what `keys sign` wrote')
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option(JSON_FLAG, JSON_HELP)
    .addHelpText('after', INSTALL_EXAMPLE)
    .action(async (flags: PlaceFlags & { readonly in: string; readonly json?: true }) => {
      const { folder } = await rotationOf(flags, terminal);
      const token = (await textOf(flags.in, '--in')).trim();
      if (!CompactJws.safeParse(token).success) {
        throw new UsageError(
          `--in: ${flags.in} holds no signed key set, which \`keys sign\` writes`,
        );
      }
      say(terminal, flags, await installKeySet(folder, token));
    });
}

async function rotationOf(
  flags: RotateFlags,
  terminal: Terminal,
): Promise<{ folder: KeyFolder; issuer: string; now: number; compromised: boolean }> {
  const { dataFolder: path, url: issuer } = await readConfig(flags, terminal);
  const folder = new KeyFolder(dataFolder(path).keys);
  return { folder, issuer, now: systemClock.now(), compromised: flags.compromised === true };
}

function say(
  terminal: Terminal,
  { json }: { readonly json?: true },
  { number, expiresAt }: KeySetSummary,
): void {
  const until = timestamp(expiresAt);
  terminal.print(
    json === true ? JSON.stringify({ number, expiresAt: until }) : inWords(number, until),
  );
}

function inWords(number: number, until: string): string {
  return `Key set ${number}, good until ${until}. A running service takes it within seconds.`;
}
