import { resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { timestamp } from '../../protocol/shapes.ts';
import { systemClock } from '../../support/clock.ts';
import { isOpenToAll } from '../../support/files.ts';
import { shellWord } from '../../support/shell-word.ts';
import { UsageError } from '../../support/usage-error.ts';
import { isLoopback } from '../config/load-config.ts';
import { dataFolder } from '../data-folder.ts';
import { initService } from '../setup/init-service.ts';
import { DEFAULT_POOL_SIZE, type PostgresSettings } from '../store/postgres-place.ts';
import { isCertificateFor, readTlsPair, type TlsPair } from '../tls-pair.ts';
import { wholeNumber } from './api-flags.ts';
import type { Terminal } from './terminal.ts';

interface InitFlags {
  readonly url: string;
  readonly data: string;
  readonly host?: string;
  readonly port?: number;
  readonly cert?: string;
  readonly key?: string;
  readonly databaseUrlFile?: string;
  readonly databaseCa?: string;
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  passback-cloud init --url https://reset.example.com --data /var/lib/passback-cloud \\
    --host 0.0.0.0 --port 443 --cert fullchain.pem --key privkey.pem
  passback-cloud init --url https://reset.example.com --data /var/lib/passback-cloud   (behind a reverse proxy)
  passback-cloud init --url https://reset.example.com --data /var/lib/passback-cloud \\
    --database-url-file /etc/passback-cloud/database.url                               (PostgreSQL)

The URL is what agents and callers dial; it stands in every signed statement and cannot be changed
without enrolling the agents again.`;

/** Adds `init`. */
export function addInitCommand(program: Command, terminal: Terminal): void {
  program
    .command('init')
    .description('make the keys, the configuration and the database of a new service')
    .requiredOption('--url <url>', 'what agents and callers will reach it by, https://…', httpsUrl)
    .requiredOption('--data <folder>', 'folder to make; only its owner may enter it')
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <port>', 'port to listen on (default: 8443)', portNumber)
    .option('--cert <file>', 'PEM file with the certificate chain; without: behind a reverse proxy')
    .option('--key <file>', 'PEM file with its private key')
    .option('--database-url-file <file>', 'private file with a postgres:// URL; without: SQLite')
    .option('--database-ca <file>', 'PEM file with the CA of the database server')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', EXAMPLES)
    .action((flags: InitFlags) => init(flags, terminal));
}

async function init(flags: InitFlags, terminal: Terminal): Promise<void> {
  const { url, host, port } = flags;
  const files = filesOf(flags);
  const tls = files && (await pairIn(files));
  const folder = dataFolder(resolve(flags.data));
  const wish = { url, host, port, ...files, database: databaseOf(flags) };
  const made = await initService(folder, wish, systemClock.now());
  const keySetExpiresAt = timestamp(made.keySetExpiresAt);
  if (flags.json === true) {
    terminal.print(JSON.stringify({ ...made, keySetExpiresAt, config: folder.config }));
    return;
  }
  terminal.print(
    [
      `Made ${folder.path} for ${url}.`,
      ...(tls === undefined || isCertificateFor(tls, url) ? [] : [misnamed(url)]),
      `Root key: ${made.root}`,
      `Move ${made.rootFile} to a safe place off line; only \`keys rotate\` needs it, before ${keySetExpiresAt}.`,
      `Next: passback-cloud directory add corp --data ${shellWord(flags.data)}`,
    ].join('\n'),
  );
}

function misnamed(url: string): string {
  return `Mind: the certificate is not for ${new URL(url).hostname}; agents and callers that dial ${url} will refuse it.`;
}

/** What `serve` would refuse is refused here, before anything is made. */
function filesOf({
  host = '127.0.0.1',
  cert,
  key,
}: InitFlags): { certificateFile: string; keyFile: string } | undefined {
  if (cert !== undefined && key !== undefined) {
    return { certificateFile: resolve(cert), keyFile: resolve(key) };
  }
  if (cert !== undefined || key !== undefined) {
    throw new UsageError('--cert and --key go together: give both or neither');
  }
  if (isLoopback(host)) return undefined;
  throw new UsageError(
    `--host: ${host} is reachable from outside: give --cert and --key, too, or listen on 127.0.0.1 behind a reverse proxy that speaks TLS`,
  );
}

function databaseOf({ databaseUrlFile, databaseCa }: InitFlags): PostgresSettings | undefined {
  if (databaseUrlFile === undefined) {
    if (databaseCa === undefined) return undefined;
    throw new UsageError('--database-ca is of no use without --database-url-file');
  }
  return {
    urlFile: resolve(databaseUrlFile),
    ...(databaseCa !== undefined && { caFile: resolve(databaseCa) }),
    poolSize: DEFAULT_POOL_SIZE,
  };
}

const FLAGS = { certificateFile: '--cert', keyFile: '--key' } as const;

async function pairIn(files: { certificateFile: string; keyFile: string }): Promise<TlsPair> {
  const read = await readTlsPair(files);
  if ('problems' in read) {
    throw new UsageError(
      read.problems.map(({ file, problem }) => `${FLAGS[file]}: ${problem}`).join('\n'),
    );
  }
  if (await isOpenToAll(files.keyFile)) {
    throw new UsageError(
      `--key: every account of this machine can read ${files.keyFile}: chmod o= it`,
    );
  }
  return read.pair;
}

function httpsUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url?.search === '' && url.hash === '' && url.username === '';
  if (url?.protocol === 'https:' && isPlain) return text.replace(/\/+$/, '');
  throw new InvalidArgumentError('expected an address such as https://reset.example.com');
}

function portNumber(text: string): number {
  return Number(wholeNumber(0, 65_535)(text));
}
