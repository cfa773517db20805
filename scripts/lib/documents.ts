import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { configReference } from '../../src/agent/config/reference.ts';
import { CHECKS as AGENT_CHECKS } from '../../src/agent/doctor/check-list.ts';
import { CHECKS as SERVICE_CHECKS } from '../../src/cloud/doctor/check-list.ts';
import { checkTable } from '../../src/support/checks.ts';
import { openApiDocument } from '../../src/cloud/api/openapi.ts';
import { asyncApiDocument } from '../../src/protocol/asyncapi.ts';
import {
  closeCodeTable,
  eventTable,
  linkRefusalTable,
  outcomeCodeTable,
  serviceCodeTable,
  serviceConfigTable,
} from './tables.ts';

/** A checked-in file that is made from the code. */
export interface GeneratedDocument {
  /** From the project's root. */
  readonly path: string;
  readonly content: string;
}

/** What may stand between `<!-- generated: NAME -->` and `<!-- end -->` in a text. */
const TABLES: Readonly<Record<string, () => string>> = {
  'outcome codes': outcomeCodeTable,
  'service codes': serviceCodeTable,
  'refusals of agents': linkRefusalTable,
  'log events': eventTable,
  'close codes': closeCodeTable,
  'agent configuration': configReference,
  'service configuration': serviceConfigTable,
  'agent checks': () => checkTable(AGENT_CHECKS),
  'service checks': () => checkTable(SERVICE_CHECKS),
};

/** Texts that may hold such tables; one that is missing is left out. */
const TEXTS = ['README.md', 'config/REFERENCE.md', 'service/OPERATING.md'];

/** Every generated document as it should be, formatted as prettier has it. */
export async function documents(root: string): Promise<GeneratedDocument[]> {
  const made: GeneratedDocument[] = [];
  const add = async (path: string, text: string): Promise<void> => {
    const options = await resolveConfig(join(root, path));
    made.push({ path, content: await format(text, { ...options, filepath: path }) });
  };
  await add('src/protocol/asyncapi.json', JSON.stringify(asyncApiDocument(), undefined, 2));
  await add('src/cloud/api/openapi.json', JSON.stringify(openApiDocument(), undefined, 2));
  for (const path of TEXTS) {
    const text = await readText(join(root, path));
    if (text !== undefined) made.push({ path, content: await withFreshTables(text) });
  }
  return made;
}

/** The text with each marked table replaced by the one of today. Rejects on a name that is not known. */
export async function withFreshTables(text: string): Promise<string> {
  const parts = text.split(/^(<!-- generated: .+ -->)$/m);
  let fresh = parts[0] ?? '';
  for (let i = 1; i < parts.length; i += 2) {
    const [marker = '', rest = ''] = parts.slice(i, i + 2);
    const name = marker.slice('<!-- generated: '.length, -' -->'.length);
    const make = Object.hasOwn(TABLES, name) ? TABLES[name] : undefined;
    if (make === undefined) throw new Error(`no generated table is called "${name}"`);
    const end = rest.indexOf('<!-- end -->');
    if (end < 0) throw new Error(`the generated table "${name}" has no <!-- end -->`);
    const table = await format(make(), { parser: 'markdown' });
    fresh += `${marker}\n\n${table}\n${rest.slice(end)}`;
  }
  return fresh;
}

/** A file's text; undefined when there is none. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
