import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { PostgresPlace } from '../../src/cloud/store/postgres-place.ts';
import type { Credentials, LabController, LabDescription } from '../lab/description.ts';
import { freePort } from './free-port.ts';
import { Program, ROOT, runProgram, type Ended, type ProgramName } from './program.ts';
import { setUpLike, writeDatabaseFiles, type ServiceNode } from './service-node.ts';
import { createTestCa } from './test-ca.ts';

/** What an agent has to know of a directory. */
export interface StackLab extends Pick<LabDescription, 'domain' | 'delegatedOu' | 'ca'> {
  readonly controllers: readonly Pick<LabController, 'name' | 'address' | 'port'>[];
  readonly serviceAccount: Pick<Credentials, 'userPrincipalName' | 'password'>;
}

export interface StackOptions {
  /** The directory that the agent writes to. */
  readonly lab: StackLab;
  /** Checkouts that the programs come from; default is this one. */
  readonly roots?: Readonly<Partial<Record<ProgramName, string>>>;
  /** Where everything is kept; has to exist and be private. */
  readonly folder: string;
  /** Members of the agent's configuration that replace the usual ones. */
  readonly agent?: Readonly<Record<string, unknown>>;
  /** Hears of the service and of the agent that `startAgent` starts, before they have said anything. */
  readonly onStart?: (what: ProgramName, program: Program) => void;
  /** So many nodes of the service share a PostgreSQL database; default is one with its SQLite file. */
  readonly cluster?: { readonly nodes: number; readonly database: PostgresPlace };
  /**
   * Puts something between the service and everybody else, once the service's address is known, that
   * of its first node. Several nodes need it: nothing else leads to the others.
   */
  readonly between?: (service: Upstream, nodes: Stack['nodes']) => Promise<Upstream>;
}

/** A service's address and the CA (PEM) to trust there. */
export interface Upstream {
  readonly url: string;
  readonly ca: string;
}

/** An agent that is set up: its configuration, and where it keeps its state. */
export interface StackAgent {
  readonly name: string;
  readonly configFile: string;
  readonly stateFolder: string;
}

export const STACK_DIRECTORY = 'corp';

/** On a machine that is busy with anything. */
const START_WITHIN_MS = 90_000;

/** The reset service and one agent as real processes, set up by their own commands as an admin would. */
export class Stack implements AsyncDisposable {
  readonly url: string;
  readonly folder: string;
  readonly caFile: string;
  readonly keyFile: string;
  /** The agent that `startAgent` starts. */
  readonly first: StackAgent;
  /** What `startCloud` starts is the first of them. */
  readonly nodes: readonly [ServiceNode, ...ServiceNode[]];
  cloud: Program | undefined;
  agent: Program | undefined;
  /** The checkouts, built, that the two programs come from; each may be replaced between two starts. */
  readonly roots: Record<ProgramName, string>;
  readonly #options: StackOptions;
  /** How everybody reaches the service: itself, or what stands between. */
  #via: { readonly url: string; readonly caFile: string };

  private constructor(options: StackOptions, [port, ...others]: readonly [number, ...number[]]) {
    this.#options = options;
    this.roots = { agent: ROOT, cloud: ROOT, ...options.roots };
    const { folder } = options;
    this.folder = folder;
    this.url = `https://localhost:${port}`;
    this.caFile = join(folder, 'ca.pem');
    this.#via = { url: this.url, caFile: this.caFile };
    this.keyFile = join(folder, 'admin.key');
    this.first = this.#place('demo-agent');
    const node = (name: string, own: number): ServiceNode => ({
      dataFolder: join(folder, name),
      host: '127.0.0.1',
      port: own,
    });
    this.nodes = [
      node('cloud', port),
      ...others.map((other, index) => node(`cloud-${index + 1}`, other)),
    ];
  }

  /** Makes keys, a database, a directory `corp` and an admin key; nothing runs yet. */
  static async prepare(options: StackOptions): Promise<Stack> {
    const others = Array.from({ length: (options.cluster?.nodes ?? 1) - 1 }, freePort);
    const stack = new Stack(options, await Promise.all([freePort(), ...others]));
    await stack.#prepareCloud();
    await stack.#configure(stack.first);
    return stack;
  }

  /** Runs a `passback-cloud` command that talks to the service. */
  command(args: readonly string[], stdin = ''): Promise<Ended> {
    const { url, caFile } = this.#via;
    const to = ['--url', url, '--key-file', this.keyFile, '--ca', caFile];
    return this.run('cloud', [...args, ...to, '--directory', STACK_DIRECTORY], stdin);
  }

  /** Runs any command line to its end. */
  run(what: ProgramName, args: readonly string[], stdin = ''): Promise<Ended> {
    return runProgram(what, args, stdin, this.roots[what]);
  }

  async startCloud(): Promise<void> {
    this.cloud = this.#start('cloud', ['serve', '--data', this.cloudData]);
    await this.cloud.printed(/cloud\.started/, START_WITHIN_MS);
  }

  get cloudData(): string {
    return this.nodes[0].dataFolder;
  }

  get agentConfigFile(): string {
    return this.first.configFile;
  }

  get agentState(): string {
    return this.first.stateFolder;
  }

  /** Sets up one more agent like the first. */
  async addAgent(name: string): Promise<StackAgent> {
    const agent = this.#place(name);
    await this.#configure(agent);
    return agent;
  }

  /** Enrols an agent (the first one) and gives its fingerprint back; it stays pending. */
  async enroll(
    { name, configFile } = this.first,
  ): Promise<{ readonly agent: string; readonly fingerprint: string }> {
    const tokenFile = join(this.folder, `${name}.token`);
    must(await this.command(['token', '--out', tokenFile]));
    const ended = must(
      await this.run('agent', [
        'enroll',
        ...['--config', configFile, '--url', this.#via.url],
        ...['--token-file', tokenFile, '--name', name, '--json'],
      ]),
    );
    const { agentId, fingerprint } = JSON.parse(ended.stdout) as Record<string, string>;
    if (agentId === undefined || fingerprint === undefined) throw new Error(ended.stdout);
    return { agent: agentId, fingerprint };
  }

  async startAgent(): Promise<void> {
    this.agent = this.#start('agent', ['run', '--config', this.agentConfigFile]);
    await this.agent.printed(/link\.up/, START_WITHIN_MS);
  }

  #start(what: ProgramName, args: readonly string[]): Program {
    const program = new Program(what, args, '', this.roots[what]);
    this.#options.onStart?.(what, program);
    return program;
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
    const init = ['init', '--url', url, '--data', cloudData, '--port', port, ...tls];
    must(await this.run('cloud', [...init, ...(await this.#databaseFlags())]));
    const [first, ...others] = this.nodes;
    for (const node of others) await setUpLike(first, node);
    const between = await this.#options.between?.({ url, ca: ca.ca }, this.nodes);
    if (between !== undefined) {
      this.#via = { url: between.url, caFile: join(folder, 'between.pem') };
      await writeFile(this.#via.caFile, between.ca);
    }
    const data = ['--data', cloudData];
    must(await this.run('cloud', ['directory', 'add', STACK_DIRECTORY, ...data]));
    const scopes = ['--scopes', 'inspect,reset,change,unlock,status,admin'];
    const whose = ['--directory', STACK_DIRECTORY, '--actor', 'stack', '--out', this.keyFile];
    must(await this.run('cloud', ['key', 'add', ...whose, ...scopes, ...data]));
  }

  async #databaseFlags(): Promise<readonly string[]> {
    const { folder, cluster } = this.#options;
    if (cluster === undefined) return [];
    const { urlFile, caFile } = await writeDatabaseFiles(folder, cluster.database);
    return [
      ...['--database-url-file', urlFile],
      ...(caFile === undefined ? [] : ['--database-ca', caFile]),
    ];
  }

  #place(name: string): StackAgent {
    const configFile = join(this.folder, `${name}.yaml`);
    return { name, configFile, stateFolder: join(this.folder, `${name}-state`) };
  }

  async #configure({ configFile, stateFolder }: StackAgent): Promise<void> {
    const { lab, agent } = this.#options;
    const { url, caFile } = this.#via;
    const { folder } = this;
    const files = { directoryCa: join(folder, 'dc-ca.pem'), bind: join(folder, 'bind.password') };
    await writeFile(files.directoryCa, lab.ca);
    await writeFile(files.bind, lab.serviceAccount.password, { mode: 0o600 });
    const config = {
      service: { caFile, url, noProxy: ['*'] }, // whatever the environment says
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
      stateFolder,
      // There may be several on this machine.
      health: { port: 0 },
      ...agent,
    };
    await writeFile(configFile, stringify(config));
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
