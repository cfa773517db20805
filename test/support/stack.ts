import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { LabDescription } from '../lab/description.ts';
import { Program, runProgram, type Ended } from './program.ts';
import { createTestCa } from './test-ca.ts';

export interface StackOptions {
  /** The directory that the agent writes to. */
  readonly lab: LabDescription;
  /** Where everything is kept; has to exist and be private. */
  readonly folder: string;
  /** Members of the agent's configuration that replace the usual ones. */
  readonly agent?: Readonly<Record<string, unknown>>;
  /** Puts something between the service and everybody else, once the service's address is known. */
  readonly between?: (service: Upstream) => Promise<Upstream>;
}

/** A service's address and the CA (PEM) to trust there. */
export interface Upstream {
  readonly url: string;
  readonly ca: string;
}

export const STACK_DIRECTORY = 'corp';

/** The reset service and one agent as real processes, set up by their own commands as an admin would. */
export class Stack implements AsyncDisposable {
  readonly url: string;
  readonly folder: string;
  readonly caFile: string;
  readonly keyFile: string;
  readonly agentConfigFile: string;
  readonly agentState: string;
  readonly cloudData: string;
  cloud: Program | undefined;
  agent: Program | undefined;
  readonly #options: StackOptions;
  /** How everybody reaches the service: itself, or what stands between. */
  #via: { readonly url: string; readonly caFile: string };

  private constructor(options: StackOptions, port: number) {
    this.#options = options;
    const { folder } = options;
    this.folder = folder;
    this.url = `https://localhost:${port}`;
    this.caFile = join(folder, 'ca.pem');
    this.#via = { url: this.url, caFile: this.caFile };
    this.keyFile = join(folder, 'admin.key');
    this.agentConfigFile = join(folder, 'passback.yaml');
    this.agentState = join(folder, 'agent-state');
    this.cloudData = join(folder, 'cloud');
  }

  /** Makes keys, a database, a directory `corp` and an admin key; nothing runs yet. */
  static async prepare(options: StackOptions): Promise<Stack> {
    const stack = new Stack(options, await freePort());
    await stack.#prepareCloud();
    await stack.#prepareAgent();
    return stack;
  }

  /** Runs a `passback-cloud` command that talks to the service. */
  command(args: readonly string[], stdin = ''): Promise<Ended> {
    const { url, caFile } = this.#via;
    const to = ['--url', url, '--key-file', this.keyFile, '--ca', caFile];
    return runProgram('cloud', [...args, ...to, '--directory', STACK_DIRECTORY], stdin);
  }

  async startCloud(): Promise<void> {
    this.cloud = new Program('cloud', ['serve', '--data', this.cloudData]);
    await this.cloud.printed(/cloud\.started/);
  }

  /** Enrols the agent and gives its fingerprint back; it stays pending. */
  async enroll(): Promise<{ readonly agent: string; readonly fingerprint: string }> {
    const tokenFile = join(this.folder, 'enroll.token');
    must(await this.command(['token', '--out', tokenFile]));
    const ended = must(
      await runProgram('agent', [
        'enroll',
        ...['--config', this.agentConfigFile, '--url', this.#via.url],
        ...['--token-file', tokenFile, '--name', 'demo-agent', '--json'],
      ]),
    );
    const { agentId, fingerprint } = JSON.parse(ended.stdout) as Record<string, string>;
    if (agentId === undefined || fingerprint === undefined) throw new Error(ended.stdout);
    return { agent: agentId, fingerprint };
  }

  async startAgent(): Promise<void> {
    this.agent = new Program('agent', ['run', '--config', this.agentConfigFile]);
    await this.agent.printed(/link\.up/);
  }

  async #prepareCloud(): Promise<void> {
    const { url, cloudData, folder } = this;
    const ca = await createTestCa();
    const { cert, key } = await ca.issue(['localhost']);
    const [certificateFile, keyFile] = [join(folder, 'cloud.crt'), join(folder, 'cloud.key')];
    await writeFile(this.caFile, ca.ca);
    await writeFile(certificateFile, cert);
    await writeFile(keyFile, key, { mode: 0o600 });
    const { port } = new URL(url);
    const tls = ['--cert', certificateFile, '--key', keyFile];
    must(
      await runProgram('cloud', [
        'init',
        '--url',
        url,
        '--data',
        cloudData,
        '--port',
        port,
        ...tls,
      ]),
    );
    const between = await this.#options.between?.({ url, ca: ca.ca });
    if (between !== undefined) {
      this.#via = { url: between.url, caFile: join(folder, 'between.pem') };
      await writeFile(this.#via.caFile, between.ca);
    }
    const data = ['--data', cloudData];
    must(await runProgram('cloud', ['directory', 'add', STACK_DIRECTORY, ...data]));
    const scopes = ['--scopes', 'inspect,reset,change,unlock,status,admin'];
    const whose = ['--directory', STACK_DIRECTORY, '--actor', 'stack', '--out', this.keyFile];
    must(await runProgram('cloud', ['key', 'add', ...whose, ...scopes, ...data]));
  }

  async #prepareAgent(): Promise<void> {
    const { lab, agent } = this.#options;
    const { url, caFile } = this.#via;
    const { folder } = this;
    const files = { directoryCa: join(folder, 'dc-ca.pem'), bind: join(folder, 'bind.password') };
    await writeFile(files.directoryCa, lab.ca);
    await writeFile(files.bind, lab.serviceAccount.password, { mode: 0o600 });
    const config = {
      service: { caFile, url },
      directory: {
        domain: lab.domain,
        domainControllers: lab.controllers.map(({ name, address, port }) => ({
          name,
          address,
          port,
        })),
        caFile: files.directoryCa,
        bind: { user: lab.serviceAccount.userPrincipalName, passwordFile: files.bind },
      },
      guard: {
        operations: { self: ['reset', 'unlock'], admin: ['reset', 'change', 'unlock'] },
        baseDns: [lab.delegatedOu],
        // What is shown and measured here is not how much is allowed.
        limits: {
          perAccount: 100_000,
          perActor: { self: 100_000, admin: 100_000 },
          overall: 100_000,
          inspections: { self: 100_000, admin: 100_000 },
        },
        breaker: { perActor: 99_999, overall: 100_000 },
      },
      stateFolder: this.agentState,
      ...agent,
    };
    await writeFile(this.agentConfigFile, stringify(config));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent?.[Symbol.asyncDispose]();
    await this.cloud?.[Symbol.asyncDispose]();
  }
}

/** A command of ours that has to work; rejects with what it said when it did not. */
function must(ended: Ended): Ended {
  if (ended.code !== 0) throw new Error(`exit code ${ended.code}: ${ended.stderr}${ended.stdout}`);
  return ended;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
