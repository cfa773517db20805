import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, rm, writeFile, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { dataFolder, type DataFolder } from '../../src/cloud/data-folder.ts';
import { createKeys } from '../../src/cloud/keys/create-keys.ts';
import { openSqliteStore } from '../../src/cloud/store/sqlite.ts';
import type { Store } from '../../src/cloud/store/store.ts';
import { freePort } from '../../test/support/free-port.ts';
import { createTestCa } from '../../test/support/test-ca.ts';

const MAIN = join(import.meta.dirname, '../../src/cloud/main.js');
const START_WITHIN_MS = 60_000;

/** The service as it is installed, in a process and a folder of its own, that can be killed and started again. */
export class MeasuredService implements AsyncDisposable {
  readonly issuer = 'https://reset.example';
  readonly port: number;
  readonly ca: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly #path: string;
  readonly #folder: DataFolder;
  #child: ChildProcess | undefined;

  private constructor(path: string, port: number, ca: string) {
    this.#path = path;
    this.port = port;
    this.ca = ca;
    this.certificateFile = join(path, 'cert.pem');
    this.keyFile = join(path, 'key.pem');
    this.#folder = dataFolder(join(path, 'data'));
  }

  /** Makes keys, certificate and configuration; `fill` puts what is to be there into the database. */
  static async create(fill: (store: Store) => Promise<void>): Promise<MeasuredService> {
    const path = await mkdtemp(join(tmpdir(), 'passback-scale-'));
    const tls = await (await createTestCa()).issue(['127.0.0.1']);
    const service = new MeasuredService(path, await freePort(), tls.ca);
    const { certificateFile, keyFile } = service;
    await writeFile(certificateFile, tls.cert);
    await writeFile(keyFile, tls.key, { mode: 0o600 });
    const folder = service.#folder;
    await createKeys(folder.keys, service.issuer, Date.now());
    await using store = await openSqliteStore(folder.database);
    await fill(store);
    const listen = { host: '127.0.0.1', port: service.port, certificateFile, keyFile };
    await writeFile(
      folder.config,
      stringify({ url: service.issuer, dataFolder: folder.path, listen, health: { port: 0 } }),
      { mode: 0o600 },
    );
    return service;
  }

  /** Beside the service's own files. */
  file(name: string): string {
    return join(this.#path, name);
  }

  get url(): string {
    return `https://127.0.0.1:${String(this.port)}`;
  }

  get child(): ChildProcess {
    if (this.#child === undefined) throw new Error('the service is not started');
    return this.#child;
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const output = this.file('service.log');
    const log = openSync(output, 'w');
    const args = ['--expose-gc', '--import', join(import.meta.dirname, 'usage-child.js')];
    this.#child = spawn(
      process.execPath,
      [...args, '--enable-source-maps', MAIN, 'serve', '--data', this.#folder.path],
      { stdio: ['ignore', log, 'inherit', 'ipc'] },
    );
    closeSync(log);
    const until = Date.now() + START_WITHIN_MS;
    while (!(await readFile(output, 'utf8')).includes('"cloud.started"')) {
      if (this.#child.exitCode !== null || Date.now() > until) {
        throw new Error(`the service did not start:\n${await readFile(output, 'utf8')}`);
      }
      await delay(20);
    }
  }

  /** Resolves when the process is gone. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
    await rm(this.#path, { recursive: true, force: true });
  }
}
