import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { docker, tryDocker } from './docker.ts';

export type Progress = (line: string) => void;

/** The name of the controllers' image. Builds it when these very sources have not been built before. */
export function labImage(progress: Progress): Promise<string> {
  return builtImage('passback-lab', 'test/lab/controller', progress);
}

/** The name of the database server's image. Builds it when these very sources have not been built before. */
export function postgresImage(progress: Progress): Promise<string> {
  return builtImage('passback-lab-postgres', 'test/lab/postgres', progress);
}

/** The name of the image with wine. Builds it when these very sources have not been built before. */
export function windowsImage(progress: Progress): Promise<string> {
  return builtImage('passback-lab-windows', 'test/lab/windows', progress);
}

/** The name of an image of the repository's own, made from a folder of it that has not changed since. */
export async function builtImage(
  repository: string,
  folder: string,
  progress: Progress,
): Promise<string> {
  const context = join(repositoryRoot(), folder);
  const tag = await digestOf(context);
  const image = `${repository}:${tag}`;
  if ((await tryDocker(['image', 'inspect', image])).exitCode === 0) return image;

  progress(`Building the image ${repository} (once, about a minute)`);
  // The network of the host, because a bridge has no resolver on some machines.
  const built = await tryDocker(['build', '--network', 'host', '--tag', image, context]);
  if (built.exitCode !== 0) {
    throw new Error(
      `The image ${repository} cannot be built. \`./scripts/lab up\` prepares a machine for it. ` +
        `The build said:\n${built.output.slice(-3_000)}`,
    );
  }
  await removeOthers(repository, tag);
  return image;
}

/** The folder that has package.json. */
export function repositoryRoot(): string {
  let directory = import.meta.dirname;
  // Compiled, this file stands in dist/, which has no package.json of its own.
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}

async function digestOf(directory: string): Promise<string> {
  const digest = createHash('sha256');
  for (const name of (await readdir(directory)).sort()) {
    digest.update(`${name}\n`).update(await readFile(join(directory, name)));
  }
  return digest.digest('hex').slice(0, 12);
}

async function removeOthers(repository: string, tag: string): Promise<void> {
  const tags = await docker(['image', 'ls', repository, '--format', '{{.Tag}}']);
  for (const other of tags.split('\n')) {
    // Refused while a container of it runs, which is as it should be.
    if (other !== '' && other !== tag) await tryDocker(['image', 'rm', `${repository}:${other}`]);
  }
}
