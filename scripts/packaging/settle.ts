import { createHash } from 'node:crypto';
import { chmod, lstat, lutimes, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export const CHECKSUMS = 'SHA256SUMS';

/** Files below a folder, by their path from there, sorted by bytes and not by a locale. */
export async function filesBelow(folder: string, below = ''): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) found.push(...(await filesBelow(folder, path)));
    else found.push(path);
  }
  return found.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

export async function sha256Of(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

async function sumsOf(folder: string, files: readonly string[]): Promise<string> {
  const sums = await Promise.all(
    files.map(async (file) => `${await sha256Of(join(folder, file))}  ${file}\n`),
  );
  return sums.join('');
}

/** Writes the checksums of all files (for `sha256sum --check`), then gives everything one time and plain modes. */
export async function settle(
  folder: string,
  { programs, epoch }: { readonly programs: readonly string[]; readonly epoch: number },
): Promise<void> {
  const files = (await filesBelow(folder)).filter((file) => file !== CHECKSUMS);
  await writeFile(join(folder, CHECKSUMS), await sumsOf(folder, files));
  for (const file of [...files, CHECKSUMS]) {
    await chmod(join(folder, file), programs.includes(file) ? 0o755 : 0o644);
  }
  await settleTimes(folder, epoch);
}

/** Writes the checksums of all packages of a folder beside them, for `sha256sum --check`. Resolves with the path. */
export async function sumPackages(folder: string): Promise<string> {
  const packages = (await readdir(folder)).filter((name) => /\.(?:deb|rpm|zip|msi)$/.test(name));
  const path = join(folder, CHECKSUMS);
  await writeFile(path, await sumsOf(folder, packages.sort()));
  return path;
}

/** Gives everything below a path one time, and folders plain modes; folders last, because what is written into them changes their time. */
export async function settleTimes(path: string, epoch: number): Promise<void> {
  const isFolder = (await lstat(path)).isDirectory();
  if (isFolder) {
    for (const name of await readdir(path)) await settleTimes(join(path, name), epoch);
    await chmod(path, 0o755);
  }
  await lutimes(path, epoch, epoch);
}

/** One line for each file and folder with all that an archive would hold of it. */
export async function manifest(folder: string): Promise<readonly string[]> {
  return Promise.all(
    (await filesBelow(folder)).map(async (file) => {
      const path = join(folder, file);
      const { mode, mtimeMs, size } = await lstat(path);
      return `${mode.toString(8)} ${mtimeMs} ${size} ${await sha256Of(path)} ${file}`;
    }),
  );
}
