import { randomUUID } from 'node:crypto';
import { docker, tryDocker, type DockerAnswer } from '../../test/lab/docker.ts';

/** So that whoever cleans up after a crashed lab finds them, too. */
const LABEL = ['--label', 'org.testcontainers=true'];

/** A file as it shall stand in a volume. */
export interface VolumeFile {
  readonly text: string;
  readonly owner: number;
  readonly mode: string;
}

/** Containers, volumes and images of one trial; all are gone after it. */
export class Containers implements AsyncDisposable {
  readonly #containers = new Set<string>();
  readonly #volumes: string[] = [];
  readonly #images: string[] = [];

  /** Starts one in the background; resolves with its id. */
  async start(args: readonly string[]): Promise<string> {
    const id = await this.#create(args);
    await docker(['start', id]);
    return id;
  }

  /** The same with files of this machine (path inside -> path here) put into it first. */
  async startWith(
    files: Readonly<Record<string, string>>,
    args: readonly string[],
  ): Promise<string> {
    const id = await this.#create(args);
    for (const [inside, path] of Object.entries(files)) {
      await docker(['cp', path, `${id}:${inside}`]);
    }
    await docker(['start', id]);
    return id;
  }

  /** Runs one to its end; resolves with what it printed. Rejects when it fails. */
  async run(args: readonly string[], input = ''): Promise<string> {
    return docker(['run', '--rm', '--interactive', ...LABEL, ...args], input);
  }

  /** SIGTERM, and SIGKILL when it takes longer; resolves with its exit code and the seconds it took. */
  async stop(id: string, limitS: number): Promise<{ readonly code: string; readonly s: number }> {
    const began = performance.now();
    await docker(['stop', '-t', String(limitS), id]);
    const s = (performance.now() - began) / 1000;
    return { code: await docker(['inspect', '--format', '{{.State.ExitCode}}', id]), s };
  }

  async remove(id: string): Promise<void> {
    await tryDocker(['rm', '--force', '--volumes', id]);
    this.#containers.delete(id);
  }

  logs(id: string): Promise<DockerAnswer> {
    return tryDocker(['logs', '--tail', '20', id]);
  }

  /** A new one: a trial that was killed has left its own. */
  async volume(purpose: string): Promise<string> {
    const name = `${purpose}-${randomUUID()}`;
    await docker(['volume', 'create', ...LABEL, name]);
    this.#volumes.push(name);
    return name;
  }

  /** Puts files into a volume, each with its owner and mode, by a root of its own. */
  async fill(
    volume: string,
    image: string,
    files: Readonly<Record<string, VolumeFile>>,
  ): Promise<void> {
    const shell = ['--user', '0', '--volume', `${volume}:/volume`, '--entrypoint', 'sh', image];
    for (const [name, { text, owner, mode }] of Object.entries(files)) {
      const install = `install -o ${owner} -g ${owner} -m ${mode} /dev/stdin /volume/${name}`;
      await this.run([...shell, '-c', install], text);
    }
  }

  /** Builds the stage `target` of a Dockerfile; resolves with the image's name. */
  async build(target: string, dockerfile: string, context: string): Promise<string> {
    const image = `${target}:trial`;
    this.#images.push(image);
    await docker(['build', '--target', target, '--tag', image, '--file', dockerfile, context]);
    return image;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.#containers) await tryDocker(['rm', '--force', '--volumes', id]);
    for (const name of this.#volumes) await tryDocker(['volume', 'rm', '--force', name]);
    for (const image of this.#images) await tryDocker(['image', 'rm', '--force', image]);
  }

  async #create(args: readonly string[]): Promise<string> {
    const id = await docker(['create', ...LABEL, ...args]);
    this.#containers.add(id);
    return id;
  }
}
