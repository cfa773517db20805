import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { fetchPackage, unpack } from './fetch-package.ts';

/** Has the schemas of CycloneDX, which have no package of their own. */
const SCHEMAS = {
  name: '@cyclonedx/cyclonedx-library',
  version: '10.3.0',
  integrity:
    'sha512-RIT28sp1U0PCHaaeF3yNRwk6Jig/XJ8UsYAVOMYaHQ+0VVOvsjcp0PTWQFLUqJFF8XMud+Kdq6G+wtDAh+QJFA==',
};
const BASE = 'http://cyclonedx.org/schema';

/** What is wrong with an SBOM by the schema of CycloneDX 1.5; empty when nothing is. */
export type SbomSchema = (sbom: unknown) => readonly string[];

/** Fetches the schema, once. */
export async function sbomSchema(): Promise<SbomSchema> {
  const archive = await fetchPackage(SCHEMAS);
  const folder = await mkdtemp(join(tmpdir(), 'passback-schema-'));
  try {
    const file = (name: string): string => `res/schema/${name}.SNAPSHOT.schema.json`;
    await unpack(archive, ['bom-1.5', 'spdx', 'jsf-0.82'].map(file), folder);
    const read = async (name: string): Promise<object> =>
      JSON.parse(await readFile(join(folder, file(name)), 'utf8')) as object;
    // Formats (of addresses and times) are no part of JSON Schema's rules; patterns are looked at.
    const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
    for (const name of ['spdx', 'jsf-0.82']) {
      ajv.addSchema(await read(name), `${BASE}/${name}.SNAPSHOT.schema.json`);
    }
    const validate = ajv.compile(await read('bom-1.5'));
    return (sbom) =>
      validate(sbom)
        ? []
        : (validate.errors ?? []).map(
            ({ instancePath, message = '' }) => `sbom.cdx.json${instancePath} ${message}`,
          );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
