import { join } from 'node:path';
import { docker, tryDocker } from '../../test/lab/docker.ts';
import type { Lab } from '../../test/lab/lab.ts';
import { agentConfig } from '../package-trial/agent-config.ts';
import { until } from '../package-trial/machine.ts';
import { expect, type Steps } from '../package-trial/steps.ts';
import { asComposed, asDocumented } from './as-composed.ts';
import { Composed } from './composed.ts';
import type { Containers } from './containers.ts';
import { IDLE_S, PROXIES, proxyContainer, type ProxyFiles, type ProxyName } from './proxies.ts';

export interface TrialParts {
  readonly root: string;
  readonly lab: Lab;
  readonly containers: Containers;
  readonly steps: Steps;
  /** Folder that holds the bundles for linux-x64. */
  readonly bundles: string;
  readonly proxyFiles: ProxyFiles;
  readonly proxyImage: string;
  readonly composeImage: string;
}

const AGENT = 64_720;
const SERVICE = 64_721;
const HOST = 'reset.example.com';
const PASSWORDS: Readonly<Record<ProxyName, string>> = {
  caddy: 'Through-Caddy-In-Containers-1',
  nginx: 'Through-Nginx-In-Containers-2',
};

/** Both images and what a reverse proxy in front of them passes, step by step. */
export class ContainerTrial {
  readonly #parts: TrialParts;
  readonly #images = { agent: '', service: '' };
  readonly #volumes = { agent: '', etc: '', service: '', keys: '' };
  #service = '';
  #proxy = '';
  #agent = '';

  constructor(parts: TrialParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { steps } = this.#parts;
    const step = (what: string, prove: () => Promise<void>): Promise<boolean> =>
      steps.step(what, prove);
    if (!(await step('both images are built; neither runs as root', () => this.#build()))) return;
    const isThere = await step('init, a directory and a key, each in a container of its own', () =>
      this.#init(),
    );
    if (!isThere) return;
    for (const [index, proxy] of PROXIES.entries()) {
      await step(`behind ${proxy} the service is healthy, and no health port is open`, () =>
        this.#serve(proxy),
      );
      if (index === 0) {
        await step('an agent enrols from its own container, and is healthy once approved', () =>
          this.#enrol(),
        );
      } else {
        await step('the agent has come back by itself', () => this.#connected());
        await step('its idle session outlives the time-out of the proxy', () => this.#idle());
      }
      await step(`a reset through ${proxy}, and Kerberos takes the new password`, () =>
        this.#reset(PASSWORDS[proxy]),
      );
      await step(`told to stop, the service drains within its time`, () => this.#stopService());
    }
    await step('told to stop, the agent drains within its time', () => this.#stopAgent());
    await this.#compose(step);
  }

  async #compose(step: Steps['step']): Promise<void> {
    const { root, containers, composeImage, proxyImage, proxyFiles } = this.#parts;
    const images = { composeImage, proxyImage, serviceImage: this.#images.service };
    await using composed = new Composed({ root, containers, proxyFiles, ...images });
    await step('compose runs the commands of its page, and the keys are taken out', () =>
      composed.prepare(),
    );
    await step('compose brings both up, and the service answers', () => composed.serve());
    await step('its proxy ends, is started again, and the service answers', () =>
      composed.loseProxy(),
    );
    await step('compose stops both, each with 0', () => composed.stop());
  }

  async #build(): Promise<void> {
    const { containers, root, bundles } = this.#parts;
    const file = join(root, 'service/container/Dockerfile');
    this.#images.agent = await containers.build('passback', file, bundles);
    this.#images.service = await containers.build('passback-cloud', file, bundles);
    for (const [image, uid] of [
      [this.#images.agent, AGENT],
      [this.#images.service, SERVICE],
    ] as const) {
      const id = await containers.run([...'--read-only --entrypoint id'.split(' '), image, '-u']);
      expect(id, String(uid), `account of ${image}`);
    }
  }

  async #init(): Promise<void> {
    const { containers } = this.#parts;
    this.#volumes.service = await containers.volume('passback-trial-service');
    this.#volumes.keys = await containers.volume('passback-trial-keys');
    await this.#once(['init', '--url', `https://${HOST}`, '--data', '/var/lib/passback-cloud']);
    await this.#once(['directory', 'add', 'corp', '--data', '/var/lib/passback-cloud']);
    const key = 'key add --directory corp --scopes inspect,reset,change,unlock,status,admin';
    await this.#once([
      ...[...key.split(' '), '--actor', 'trial', '--out', 'admin.key'],
      ...['--data', '/var/lib/passback-cloud'],
    ]);
  }

  /** One command of the service in a container of its own. */
  async #once(args: readonly string[], more: readonly string[] = [], input = ''): Promise<string> {
    const { containers, root } = this.#parts;
    const { flags } = await asComposed(root);
    const data = ['--volume', `${this.#volumes.service}:/var/lib/passback-cloud`];
    return containers.run([...flags, ...data, ...more, this.#images.service, ...args], input);
  }

  /** One command of its client, through the proxy. */
  async #ask(args: readonly string[], input = ''): Promise<string> {
    const { lab } = this.#parts;
    const to = `--directory corp --url https://${HOST} --key-file admin.key --ca /keys/ca.pem`;
    const more = ['--network', lab.network, '--volume', `${this.#volumes.keys}:/keys:ro`];
    return this.#once([...args, ...to.split(' ')], more, input);
  }

  async #serve(proxy: ProxyName): Promise<void> {
    const { containers, root, lab, proxyFiles, proxyImage } = this.#parts;
    const { files, command } = proxyContainer(proxy, proxyFiles);
    const ca = { text: proxyFiles.ca, owner: SERVICE, mode: '0444' };
    await containers.fill(this.#volumes.keys, this.#images.service, { 'ca.pem': ca });
    const network = ['--network', lab.network, '--network-alias', HOST];
    this.#proxy = await containers.startWith(files, [...network, proxyImage, ...command]);
    const { flags } = await asComposed(root);
    // For compose both are in the machine's own network, which here belongs to somebody else.
    this.#service = await containers.start([
      ...[...flags, '--network', `container:${this.#proxy}`, '--health-interval', '1s'],
      ...['--volume', `${this.#volumes.service}:/var/lib/passback-cloud`, this.#images.service],
    ]);
    await this.#healthy(this.#service);
    const reach = `fetch('http://${HOST}:9465/livez').then(() => 'open', () => 'closed').then(console.log)`;
    const node = ['--entrypoint', '/usr/lib/passback-cloud/node', '--network', lab.network];
    const found = await containers.run([...node, this.#images.service, '--eval', reach]);
    expect(found, 'closed', 'the health port from outside');
    expect(await docker(['diff', this.#service]), '', 'what was written outside the volume');
  }

  async #enrol(): Promise<void> {
    const { containers, lab, root, proxyFiles } = this.#parts;
    const { agent: image } = this.#images;
    this.#volumes.agent = await containers.volume('passback-trial-agent');
    this.#volumes.etc = await containers.volume('passback-trial-etc');
    await containers.fill(this.#volumes.etc, image, {
      'passback.yaml': { text: agentConfig(lab), owner: AGENT, mode: '0444' },
      'corp-ca.pem': { text: lab.ca, owner: AGENT, mode: '0444' },
      'service-ca.pem': { text: proxyFiles.ca, owner: AGENT, mode: '0444' },
      'bind-password': { text: lab.serviceAccount.password, owner: AGENT, mode: '0400' },
    });
    const { flags } = await asDocumented(root);
    const own = [
      ...[...flags, '--network', lab.network, '--health-interval', '1s'],
      ...['--volume', `${this.#volumes.agent}:/var/lib/passback`],
      ...['--volume', `${this.#volumes.etc}:/etc/passback:ro`, image],
    ];
    await this.#ask(['token', '--out', 'token']);
    const token = await this.#secretOf('token');
    const enroll = ['enroll', '--url', `https://${HOST}`, '--token-file', '-', '--json'];
    const { agentId = '', fingerprint = '' } = JSON.parse(
      await containers.run([...own, ...enroll], token),
    ) as Record<string, string>;
    this.#agent = await containers.start(own);
    await this.#ask(['agent', 'approve', agentId, '--fingerprint', fingerprint]);
    await this.#healthy(this.#agent);
    await this.#connected();
    const doctor = ['exec', this.#agent, 'passback', 'doctor'];
    expect((await tryDocker(doctor)).output, /, 0 failed/, 'passback doctor');
    expect(await docker(['diff', this.#agent]), '', 'what was written outside the volume');
  }

  /** What a command has written into the service's volume for its administrator. */
  async #secretOf(name: string): Promise<string> {
    const { containers } = this.#parts;
    const data = ['--volume', `${this.#volumes.service}:/data`, '--entrypoint', 'cat'];
    return containers.run([...data, this.#images.service, `/data/${name}`]);
  }

  async #connected(): Promise<void> {
    await until(async () => {
      const { exitCode } = await tryDocker(['exec', this.#agent, 'passback', 'status']);
      return exitCode === 0;
    }, 'the agent has no session, or does not run').catch(async (error: unknown) => {
      const { output } = await this.#parts.containers.logs(this.#agent);
      throw new Error(`${String(error)}\n${output}`);
    });
  }

  async #idle(): Promise<void> {
    const session = async (): Promise<string> => {
      const text = await docker(['exec', this.#agent, 'passback', 'status', '--json']);
      const { link } = JSON.parse(text) as { readonly link: Record<string, string> };
      return `${link.session ?? 'no session'} since ${link.connectedSince ?? 'never'}`;
    };
    const before = await session();
    await new Promise((resolve) => setTimeout(resolve, IDLE_S * 1_000 + 5_000));
    expect(await session(), before, 'the session');
  }

  async #reset(password: string): Promise<void> {
    const { lab } = this.#parts;
    const operate = 'operate reset --account anna@corp.test --password-file -'.split(' ');
    expect(await this.#ask(operate, password), /applied/i, 'operate');
    expect(await lab.kinit('anna', password), 'ok', 'kinit');
  }

  async #stopService(): Promise<void> {
    const { containers, root } = this.#parts;
    const { stopS } = await asComposed(root);
    await this.#drains(this.#service, stopS, /"cloud\.stopped"/);
    await containers.remove(this.#service);
    await containers.remove(this.#proxy);
  }

  async #stopAgent(): Promise<void> {
    const { stopS } = await asDocumented(this.#parts.root);
    await this.#drains(this.#agent, stopS, /"agent\.stopping"[^]*"agent\.stopped"/);
  }

  async #drains(id: string, limitS: number, lastWords: RegExp): Promise<void> {
    const { containers } = this.#parts;
    const { code, s } = await containers.stop(id, limitS);
    expect(code, '0', 'exit code');
    if (s >= limitS) throw new Error(`it took ${s.toFixed(1)} s`);
    expect((await containers.logs(id)).output, lastWords, 'its last words');
  }

  async #healthy(id: string): Promise<void> {
    const state = ['inspect', '--format', '{{.State.Status}} {{.State.Health.Status}}', id];
    await until(async () => (await docker(state)) === 'running healthy', 'healthy').catch(
      async (error: unknown) => {
        const { output } = await this.#parts.containers.logs(id);
        throw new Error(`${String(error)}: ${await docker(state)}\n${output}`);
      },
    );
  }
}
