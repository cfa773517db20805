import { resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { Actor } from '../../protocol/command.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { systemClock } from '../../support/clock.ts';
import { textTable } from '../../support/text-table.ts';
import { shellWord } from '../../support/shell-word.ts';
import { createApiKey, revokeApiKey } from '../setup/create-api-key.ts';
import { openMadeStore } from '../setup/must-have-database.ts';
import { SCOPES, type Scope } from '../store/records.ts';
import { writeNewFile } from './new-file.ts';
import {
  CONFIG_FLAG,
  CONFIG_HELP,
  DATA_FLAG,
  DATA_HELP,
  directoryId,
  placeOf,
  readConfig,
  type PlaceFlags,
} from './setup-commands.ts';
import type { Terminal } from './terminal.ts';

const ADD_EXAMPLES = `
Examples:
  passback-cloud key add --directory corp --scopes admin,status --actor anna --out ./admin.key --data /var/lib/passback-cloud
  passback-cloud key add --directory corp --scopes inspect,reset,unlock --actor helpdesk --out ./helpdesk.key --data /var/lib/passback-cloud`;

const LIST_EXAMPLES = `
Examples:
  passback-cloud key list --data /var/lib/passback-cloud
  passback-cloud key list --json --data /var/lib/passback-cloud`;

const REVOKE_EXAMPLE = `
Example:
  passback-cloud key list --data /var/lib/passback-cloud     (shows the ids)
  passback-cloud key revoke 0b9d…-… --data /var/lib/passback-cloud`;

interface KeyAddFlags extends PlaceFlags {
  readonly directory: string;
  readonly scopes: readonly Scope[];
  readonly actor: string;
  readonly out: string;
  readonly json?: true;
}

/** Adds `key add`, `key list`, `key revoke`. */
export function addKeyCommand(program: Command, terminal: Terminal): void {
  const key = program.command('key').description('API keys');
  key
    .command('add')
    .description('make an API key; it is written to a file of yours and kept nowhere else')
    .requiredOption('--directory <id>', 'the directory it is good for', directoryId)
    .requiredOption('--scopes <list>', `what it may do, of: ${SCOPES.join(',')}`, scopeList)
    .requiredOption('--actor <name>', 'who acts with it, for the audit', actorName)
    .requiredOption('--out <file>', 'new file for the key, readable by you only')
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--json', 'print what was made, without the key, as JSON')
    .addHelpText('after', ADD_EXAMPLES)
    .action(async (flags: KeyAddFlags) => {
      const { directory, scopes, actor } = flags;
      const out = resolve(flags.out);
      const config = await readConfig(flags, terminal);
      await using store = await openMadeStore(config);
      let id = '';
      await writeNewFile(out, '--out', async () => {
        const made = await createApiKey(store, { directory, scopes, actor }, systemClock.now());
        ({ id } = made);
        return `${made.key.reveal()}\n`;
      });
      if (flags.json === true) {
        terminal.print(JSON.stringify({ id, directory, actor, scopes, out }));
        return;
      }
      terminal.print(`Wrote a key for ${actor} (${scopes.join(', ')}) to ${out}.`);
      if (!scopes.includes('admin')) return;
      const api = `--directory ${directory} --url ${shellWord(config.url)} --key-file ${shellWord(flags.out)}`;
      terminal.print(
        [
          `Next: passback-cloud serve ${placeOf(flags)}   (unless it runs)`,
          `then, once for each agent: passback-cloud token --out ./enroll.token ${api}`,
        ].join('\n'),
      );
    });
  addListAndRevoke(key, terminal);
}

function addListAndRevoke(key: Command, terminal: Terminal): void {
  key
    .command('list')
    .description('list all API keys; what they are is kept nowhere')
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--json', 'print the list as JSON')
    .addHelpText('after', LIST_EXAMPLES)
    .action(async (flags: PlaceFlags & { readonly json?: true }) => {
      await using store = await openMadeStore(await readConfig(flags, terminal));
      const keys = await store.apiKeys.list();
      if (flags.json === true) {
        terminal.print(JSON.stringify({ keys }));
        return;
      }
      const rows = keys.map(({ id, directory, actor, scopes, createdAt }) => [
        id,
        directory,
        actor,
        scopes.join(','),
        timestamp(createdAt),
      ]);
      const head = ['ID', 'DIRECTORY', 'ACTOR', 'SCOPES', 'MADE'];
      terminal.print(rows.length === 0 ? 'No keys.' : textTable(head, rows).join('\n'));
    });
  key
    .command('revoke')
    .description('end an API key for good')
    .argument('<id>', 'the id that `key list` shows')
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .addHelpText('after', REVOKE_EXAMPLE)
    .action(async (id: string, flags: PlaceFlags) => {
      await using store = await openMadeStore(await readConfig(flags, terminal));
      await revokeApiKey(store, id, systemClock.now());
      terminal.print(`Revoked key ${id}.`);
    });
}

function actorName(text: string): string {
  if (Actor.safeParse(text).success) return text;
  throw new InvalidArgumentError(
    'expected 1 to 128 printable ASCII characters without blanks, such as helpdesk',
  );
}

function scopeList(text: string): readonly Scope[] {
  const wanted = text.split(',').map((name) => name.trim());
  const known = SCOPES.filter((scope) => wanted.includes(scope));
  if (known.length === new Set(wanted).size) return known;
  throw new InvalidArgumentError(`expected some of ${SCOPES.join(',')}`);
}
