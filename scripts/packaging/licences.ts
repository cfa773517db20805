import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A package in a bundle, and where its files are. */
export interface Licensed {
  /** `name@version`. */
  readonly id: string;
  readonly folder: string;
}

const RULE = `\n\n${'='.repeat(78)}\n`;

/** The licence texts of all packages, as their licences ask for, in one text. */
export async function licenceTexts(
  packages: readonly Licensed[],
  node: { readonly version: string; readonly text: string },
): Promise<string> {
  const texts = await Promise.all(
    packages.map(async ({ id, folder }) => `${id}\n\n${await licenceOf(folder)}`),
  );
  return [
    'Passback is made with the work of others, under these licences.',
    ...texts,
    `Node.js ${node.version}\n\n${node.text.trim()}`,
  ].join(RULE);
}

async function licenceOf(folder: string): Promise<string> {
  const names = await readdir(folder);
  const name = names.sort().find((one) => /^(licen[cs]e|copying)/i.test(one));
  if (name !== undefined) return (await readFile(join(folder, name), 'utf8')).trim();
  const text = await readFile(join(folder, 'package.json'), 'utf8');
  const { license } = JSON.parse(text) as { readonly license?: unknown };
  return `Licence: ${typeof license === 'string' ? license : 'not said'} (the package has no text of it)`;
}
