import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { documents, readText } from './lib/documents.ts';

// Writes every generated document below the working directory; with --check, exits 1 when one is stale.
const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const root = process.cwd();

for (const { path, content } of await documents(root)) {
  if ((await readText(join(root, path))) === content) continue;
  if (values.check) {
    console.error(`${path} is stale: run \`npm run docs\``);
    process.exitCode = 1;
  } else {
    await writeFile(join(root, path), content);
    console.log(`wrote ${path}`);
  }
}
