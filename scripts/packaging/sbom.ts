import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import type { NodeRuntime, ProgramName } from './programs.ts';

const run = promisify(execFile);

interface Component {
  readonly 'bom-ref': string;
  readonly [key: string]: unknown;
}

interface Dependency {
  readonly ref: string;
  readonly dependsOn: readonly string[];
}

/** The parts of a CycloneDX document that are looked at. */
export interface Bom {
  readonly metadata: { readonly component: Component; readonly [key: string]: unknown };
  readonly components: readonly Component[];
  readonly dependencies: readonly Dependency[];
  readonly [key: string]: unknown;
}

export interface BomWish {
  readonly program: ProgramName;
  readonly version: string;
  /** `name@version` of each package that is in the bundle. */
  readonly packages: ReadonlySet<string>;
  readonly node: NodeRuntime;
  readonly nodeSha256: string;
  /** Seconds since 1970. */
  readonly epoch: number;
}

/** What `npm sbom` says about everything that package-lock.json names. */
export async function npmSbom(root: string): Promise<Bom> {
  const args = ['sbom', '--sbom-format=cyclonedx', '--package-lock-only'];
  const { stdout } = await run('npm', args, { cwd: root, maxBuffer: 64 * 2 ** 20 });
  return JSON.parse(stdout) as Bom; // npm's own output
}

/**
 * The same for one bundle: what is in it and nothing else, with the Node.js that it brings. Pure,
 * and the same for the same bundle: the serial number is made of the content. Throws for a package
 * that npm did not name.
 */
export function bomOf(all: Bom, wish: BomWish): Bom {
  const { program, version, packages, epoch } = wish;
  const components = all.components
    .filter((component) => packages.has(component['bom-ref']))
    .map(withoutInstallation);
  const named = new Set(components.map((component) => component['bom-ref']));
  const missing = [...packages].filter((name) => !named.has(name));
  if (missing.length > 0) throw new Error(`npm sbom does not name ${missing.join(', ')}`);
  const self = `${program}@${version}`;
  const node = nodeComponent(wish);
  const root = all.metadata.component['bom-ref'];
  const direct = all.dependencies.find(({ ref }) => ref === root)?.dependsOn ?? [];
  const bom = {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString(),
      lifecycles: [{ phase: 'build' }],
      component: {
        ...all.metadata.component,
        ...{ 'bom-ref': self, type: 'application', name: program, version },
        purl: `pkg:generic/${program}@${version}`,
      },
    },
    components: [...components, node],
    dependencies: [
      { ref: self, dependsOn: [...direct.filter((ref) => named.has(ref)), node['bom-ref']] },
      ...all.dependencies
        .filter(({ ref }) => named.has(ref))
        .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((on) => named.has(on)) })),
    ],
  };
  return { serialNumber: serialNumberOf(JSON.stringify(bom)), ...bom };
}

/** How npm would have installed it says nothing about a bundle. */
function withoutInstallation({ properties: _, scope: __, ...component }: Component): Component {
  return { ...component, 'bom-ref': component['bom-ref'], scope: 'required' };
}

function nodeComponent({ node, nodeSha256 }: BomWish): Component {
  const { version } = node;
  return {
    'bom-ref': `node@${version}`,
    type: 'platform',
    name: 'node',
    version,
    scope: 'required',
    description: `Node.js as ${node.package} of npm's registry has it`,
    purl: `pkg:npm/${node.package}@${version}`,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
    hashes: [{ alg: 'SHA-256', content: nodeSha256 }],
    licenses: [{ license: { id: 'MIT' } }],
  };
}

/** A UUID (version 8, RFC 9562) made of the document itself. */
function serialNumberOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
  ];
  return `urn:uuid:${parts.join('-')}-${hex.slice(20, 32)}`;
}
