import { randomUUID } from 'node:crypto';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { docker } from '../../test/lab/docker.ts';
import { until } from '../package-trial/machine.ts';
import { expect } from '../package-trial/steps.ts';
import type { Containers } from './containers.ts';
import type { ProxyFiles } from './proxies.ts';

export interface ComposedParts {
  readonly root: string;
  readonly containers: Containers;
  /** Has compose in it. */
  readonly composeImage: string;
  readonly serviceImage: string;
  readonly proxyImage: string;
  readonly proxyFiles: ProxyFiles;
}

const HOST = 'reset.example.com';

/** compose.yaml in the hands of Docker Compose itself. */
export class Composed implements AsyncDisposable {
  readonly #parts: ComposedParts;
  readonly #project = `passback-${randomUUID()}`;
  /** A container whose network stands for that of the machine, where the ports are somebody else's. */
  #machine = '';

  constructor(parts: ComposedParts) {
    this.#parts = parts;
  }

  /** Runs what the head of the file says to run once. Rejects unless the keys end here, and for nobody else. */
  async prepare(): Promise<void> {
    const { root, containers, proxyImage } = this.#parts;
    const { folder } = this.#parts.proxyFiles;
    const file = join(root, 'service/container/compose.yaml');
    const text = await readFile(file, 'utf8');
    this.#machine = await containers.start([proxyImage, 'sleep', 'infinity']);
    await copyFile(file, join(folder, 'compose.yaml'));
    await writeFile(join(folder, 'trial.yaml'), this.#instead(text));
    const commands = [...text.matchAll(/^# {3}(.+)$/gm)].map(([, line]) => line);
    await this.#run(commands.join('\n'));
    const found = await this.#run(
      `stat --format '%a %n' admin.key root.json; grep -c '^pbk_' admin.key; grep -c '"EC"' root.json;
      cat admin.key root.json | grep -c $'\\r' || true`,
    );
    expect(found, '600 admin.key\n600 root.json\n1\n1\n0', 'the keys, taken out');
    const kept = 'docker compose run --rm --entrypoint ls passback-cloud . keys';
    const inVolume = await this.#run(kept);
    expect(inVolume, /^(?![^]*(admin\.key|root\.json))[^]*passback-cloud\.yaml/, 'the volume');
  }

  async serve(): Promise<void> {
    await this.#run('docker compose up --detach --wait --wait-timeout 60');
    await this.#answers();
  }

  /** A proxy that ends is started again by the engine, and finds the service where it was. */
  async loseProxy(): Promise<void> {
    // It ends with the container it is in, well or not.
    await this.#run('docker compose exec -T proxy caddy stop || true');
    await this.#answers();
    const id = await this.#run('docker compose ps --quiet proxy');
    expect(await docker(['inspect', '--format', '{{.RestartCount}}', id]), '1', 'starts again');
  }

  async stop(): Promise<void> {
    await this.#run('docker compose stop');
    const ends = "docker compose ps --all --format '{{.Service}} {{.ExitCode}}' | sort";
    expect(await this.#run(ends), 'passback-cloud 0\nproxy 0', 'exit codes');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#machine !== '') await this.#run('docker compose down --volumes --timeout 1');
  }

  /** What a trial has instead of the machine's network, of images of the internet and of a real certificate. */
  #instead(text: string): string {
    const { services } = parse(text) as {
      readonly services: Record<string, { network_mode?: string }>;
    };
    const shared = Object.values(services).map(({ network_mode: mode }) => mode);
    expect(shared.join(), 'host,host', 'the networks of both');
    const { serviceImage, proxyImage } = this.#parts;
    // The label is for whoever cleans up after a crashed trial.
    const both = `network_mode: container:${this.#machine}
    labels: [org.testcontainers=true]`;
    return `services:
  passback-cloud:
    image: ${serviceImage}
    ${both}
    ulimits: !override {core: 0} # more files than it has itself an engine may not be able to give
    healthcheck: {interval: 1s}
  proxy:
    image: ${proxyImage}
    ${both}
    command: [caddy, run, --config, /etc/caddy/Caddyfile]
    volumes: ['./cert.pem:/cert.pem:ro', './key.pem:/key.pem:ro']
`;
  }

  async #answers(): Promise<void> {
    const { containers, serviceImage } = this.#parts;
    const { ca } = this.#parts.proxyFiles;
    const to = JSON.stringify({
      ...{ host: '127.0.0.1', path: '/readyz' },
      ...{ servername: HOST, headers: { host: HOST }, ca },
    });
    const say = (what: string): string => `(it) => { console.log(${what}); process.exit(); }`;
    const ask = `https.get(${to}, ${say('it.statusCode')}).on('error', ${say('it.message')})`;
    const node = ['--entrypoint', '/usr/lib/passback-cloud/node', serviceImage, '--eval', ask];
    const within = ['--network', `container:${this.#machine}`];
    await until(async () => (await containers.run([...within, ...node])) === '200', '/readyz');
  }

  /** A shell in the folder, in which `docker compose` is the one of the image. */
  #run(script: string): Promise<string> {
    const { containers, composeImage } = this.#parts;
    const { folder } = this.#parts.proxyFiles;
    const compose = `docker-compose --project-name ${this.#project} --file compose.yaml --file trial.yaml`;
    const known = `docker() { shift; ${compose} "$@"; }`;
    // At the same place as here, because compose tells the engine where the files are.
    const place = ['--volume', `${folder}:${folder}`, '--workdir', folder];
    return containers.run([
      ...engine(),
      ...place,
      composeImage,
      'bash',
      '-euc',
      `${known}\n${script}`,
    ]);
  }
}

/** How a container reaches the engine that it runs on. */
function engine(): readonly string[] {
  const host = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
  const path = /^unix:\/\/(.+)$/.exec(host)?.[1];
  if (path === undefined) return ['--network', 'host', '--env', `DOCKER_HOST=${host}`];
  return ['--volume', `${path}:/var/run/docker.sock`];
}
