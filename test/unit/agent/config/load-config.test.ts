import { expect, test } from 'vitest';
import type { AgentConfig } from '../../../../src/agent/config/agent-config.ts';
import { ConfigError, type ConfigProblem } from '../../../../src/support/config-error.ts';
import { checkConfig, loadConfig } from '../../../../src/agent/config/load-config.ts';
import { configReference } from '../../../../src/agent/config/reference.ts';
import { environmentName, SETTINGS } from '../../../../src/agent/config/settings.ts';

const MINIMAL = `
directory:
  domain: corp.test
  domainControllers:
    - name: dc1.corp.test
  bind:
    user: svc@corp.test
    passwordFile: /secrets/bind
guard:
  baseDns:
    - OU=People,DC=corp,DC=test
`;

/** A self-signed certificate; only its form matters here. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUX1Q8U0WcQ0t4bY0O1bJfP8S0vKkwCgYIKoZIzj0EAwIw
-----END CERTIFICATE-----`;

const A = 'https://a.b';

type Disk = Readonly<Record<string, string>>;

function load(
  yaml: string,
  { env = {}, disk = {} }: { env?: Record<string, string>; disk?: Disk } = {},
): Promise<AgentConfig> {
  const files: Disk = { '/passback.yaml': yaml, '/secrets/bind': 'bind secret\n', ...disk };
  return loadConfig({
    file: '/passback.yaml',
    env,
    readText: async (path) => {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
      if (text === 'EACCES') throw Object.assign(new Error(path), { code: 'EACCES' });
      return text;
    },
  });
}

async function problemsOf(...args: Parameters<typeof load>): Promise<readonly ConfigProblem[]> {
  const error: unknown = await load(...args).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConfigError)) throw new Error('no ConfigError', { cause: error });
  return error.problems;
}

test.each(['0.0.0.0', '10.0.0.1', '::', 'localhost', 'passback.corp.test', ''])(
  'health cannot be shown to the network: %j',
  async (host) => {
    const file = `${MINIMAL}\nhealth: { host: ${JSON.stringify(host)} }\n`;
    await expect(load(file)).rejects.toMatchObject({
      problems: [
        { key: 'health.host', problem: expect.stringContaining('a loopback address') as string },
      ],
    });
  },
);

test('the least that is needed gives a whole configuration with every default', async () => {
  await expect(load(MINIMAL)).resolves.toEqual({
    service: { urls: [], systemCa: true, noProxy: [] },
    directory: {
      domain: 'corp.test',
      domainControllers: [{ name: 'dc1.corp.test' }],
      pinnedKeys: [],
      bind: { user: 'svc@corp.test', passwordFile: '/secrets/bind' },
    },
    guard: {
      operations: { self: ['reset', 'unlock'], admin: ['reset', 'unlock'] },
      policyHints: { self: 'prefer', admin: 'off' },
      baseDns: ['OU=People,DC=corp,DC=test'],
      deniedBaseDns: [],
      allowedGroups: [],
      protectedGroups: [],
      protectedAccounts: [],
      allowServicePrincipalNames: false,
      limits: {
        perAccount: 10,
        perActor: { self: 10, admin: 200 },
        overall: 1_000,
        wrongPasswords: 3,
        inspections: { self: 30, admin: 600 },
      },
      breaker: { windowMinutes: 10, perActor: 100, overall: 300 },
      dryRun: false,
    },
    peers: [],
    stateFolder: '/var/lib/passback',
    health: { port: 9464, host: '127.0.0.1' },
    logging: { level: 'info' },
    concurrency: 16,
    drainMs: 25_000,
  });
});

test('the result is frozen through and through', async () => {
  const config = await load(MINIMAL);
  expect(Object.isFrozen(config)).toBe(true);
  expect(Object.isFrozen(config.guard.operations.self)).toBe(true);
  expect(Object.isFrozen(config.directory.domainControllers?.[0])).toBe(true);
});

test('JSON is read like YAML', async () => {
  const config = await load(
    JSON.stringify({
      directory: {
        domain: 'corp.test',
        domainControllers: [{ name: 'dc1', address: '10.0.0.1', port: 6636 }],
        bind: { user: 'u', passwordFile: '/secrets/bind' },
      },
      guard: { baseDns: ['DC=corp,DC=test'] },
    }),
  );
  expect(config.directory.domainControllers).toEqual([
    { name: 'dc1', address: '10.0.0.1', port: 6636 },
  ]);
});

test('the environment wins over the file, and can be all there is', async () => {
  const env = {
    PASSBACK_DIRECTORY_DOMAIN: 'corp.test',
    PASSBACK_DIRECTORY_DOMAIN_CONTROLLERS: 'dc1.corp.test; dc2.corp.test@10.0.0.2:6636',
    PASSBACK_DIRECTORY_BIND_USER: 'svc@corp.test',
    PASSBACK_DIRECTORY_BIND_PASSWORD_FILE: '/secrets/bind',
    PASSBACK_GUARD_BASE_DNS: 'OU=A,DC=corp,DC=test;OU=B,DC=corp,DC=test',
    PASSBACK_GUARD_OPERATIONS_SELF: 'unlock',
    PASSBACK_GUARD_ALLOW_SERVICE_PRINCIPAL_NAMES: 'true',
    PASSBACK_DRAIN_MS: '1000',
  };
  const config = await load('', { env });
  expect(config.directory.domainControllers).toEqual([
    { name: 'dc1.corp.test' },
    { name: 'dc2.corp.test', address: '10.0.0.2', port: 6636 },
  ]);
  expect(config.guard.baseDns).toEqual(['OU=A,DC=corp,DC=test', 'OU=B,DC=corp,DC=test']);
  expect(config.guard.allowServicePrincipalNames).toBe(true);
  const over = await load(MINIMAL, {
    env: { PASSBACK_DRAIN_MS: '1000', PASSBACK_CONCURRENCY: '' },
  });
  expect(over.drainMs).toBe(1000);
});

test('an empty variable counts as not set, and so does a setting without a value', async () => {
  const env = { PASSBACK_DIRECTORY_DOMAIN: '', PASSBACK_LOGGING_LEVEL: ' ' };
  const config = await load(`${MINIMAL}\nlogging:\ndrainMs:\n`, { env });
  expect(config.directory.domain).toBe('corp.test');
  expect(config).toMatchObject({ logging: { level: 'info' }, drainMs: 25_000 });
});

test('a file may say its version, and one of a newer passback is refused with that alone', async () => {
  await expect(load(`version: 1\n${MINIMAL}`)).resolves.toEqual(await load(MINIMAL));
  const newer = `version: 2\nguard: { newWords: true }\n`;
  expect(await problemsOf(newer)).toEqual([
    { key: 'version', problem: expect.stringContaining('2 is of a newer passback') as string },
  ]);
  const [problem] = await problemsOf(`version: one\n${MINIMAL}`);
  expect(problem).toEqual({ key: 'version', problem: 'expected 1, found "one"' });
});

test('a file of an older version is read in the way of today, and told what to write', async () => {
  const steps = [
    {
      says: 'drainMs is what drain was',
      rewrite: ({ drain, ...rest }: Readonly<Record<string, unknown>>) => ({
        ...rest,
        drainMs: drain,
      }),
    },
  ];
  const readText = async (path: string): Promise<string> =>
    path === '/secrets/bind' ? 'bind secret' : `${MINIMAL}drain: 1234\n`;
  const source = { file: '/passback.yaml', env: {}, readText };
  const { config, notes } = await checkConfig({ ...source, steps });
  expect(config.drainMs).toBe(1234);
  expect(notes).toEqual(['drainMs is what drain was']);
  await expect(checkConfig(source)).rejects.toThrow('drain: there is no such setting');
});

test('all problems are told at once', async () => {
  const problems = await problemsOf('drainMs: soon\nlogging: { level: loud }\nfoo: 1');
  expect(problems.map(({ key }) => key).sort()).toEqual([
    'directory.bind.passwordFile',
    'directory.bind.user',
    'directory.domain',
    'drainMs',
    'foo',
    'guard.baseDns',
    'logging.level',
  ]);
});

test.each([
  ['a setting nobody knows', 'stateFoldr: /x', 'stateFoldr', 'did you mean stateFolder?'],
  ['one in the wrong place', 'baseDns: [a]', 'baseDns', 'did you mean guard.baseDns?'],
  ['one in another spelling', 'state_folder: /x', 'state_folder', 'did you mean stateFolder?'],
  ['a dotted one', 'service.url: https://a.b', 'service.url', 'nested'],
  ['a group that is a value', 'service: https://a.b', 'service', 'url, urls, caFile'],
  ['a value that is a group', 'drainMs: { a: { b: 1 } }', 'drainMs', 'found a mapping'],
  ['text for a number', 'drainMs: 10s', 'drainMs', 'found "10s"'],
  ['a fraction', 'drainMs: 1.5', 'drainMs', 'found 1.5'],
  ['a negative number', 'drainMs: -1', 'drainMs', 'from 0'],
  ['a number for a list', 'concurrency: [1]', 'concurrency', 'found a list'],
  ['a level nobody knows', 'logging: { level: loud }', 'logging.level', 'warn, info'],
  ['a relative path', 'stateFolder: state', 'stateFolder', 'absolute path'],
  ['http', 'service: { url: "http://a.b" }', 'service.url', 'not encrypted'],
  ['no URL', 'service: { url: "a b" }', 'service.url', 'https://reset.example.com'],
  ['a URL with a password', 'service: { url: "https://u:p@a.b" }', 'service.url', 'no user name'],
  ['a CA file that is not there', 'service: { caFile: /no }', 'service.caFile', 'does not exist'],
  ['one URL of several that is none', 'service: { urls: [https://a.b, x] }', 'service.urls', '"x"'],
  ['an empty list of URLs', 'service: { urls: [] }', 'service.urls', 'at least one'],
  ['both ways to give a URL', `service: { url: ${A}, urls: [${A}] }`, 'service.urls', 'leave one'],
  ['a proxy that is no URL', 'service: { proxy: { url: p } }', 'service.proxy.url', 'http://proxy'],
  ['a SOCKS proxy', 'service: { proxy: { url: "socks5://p:1" } }', 'service.proxy.url', 'socks5:'],
  [
    'a proxy as a value',
    'service: { proxy: "http://p:1" }',
    'service.proxy',
    'url, credentialsFile',
  ],
  ['an exception that is none', 'service: { noProxy: ["http://a"] }', 'service.noProxy', 'no host'],
  [
    'the password of a proxy',
    'service: { proxy: { url: "http://p:1", password: x } }',
    'service.proxy.password',
    'service.proxy.credentialsFile',
  ],
])('%s is told with its key and what is expected', async (_, yaml, key, words) => {
  const problems = await problemsOf(`${MINIMAL}\n${yaml}`);
  expect(problems).toEqual([{ key, problem: expect.stringContaining(words) as string }]);
});

test.each([
  ['port 389', '{ name: dc1, port: 389 }', 'plain LDAP'],
  ['port 3268', '{ name: dc1, port: 3268 }', 'global catalog'],
  ['port 3269', '{ name: dc1, port: 3269 }', 'global catalog'],
  ['port 0', '{ name: dc1, port: 0 }', 'no port'],
  ['ldap://', 'ldap://dc1', 'LDAPS only'],
  ['a bare name', 'dc1', 'write name: dc1'],
  ['no name', '{ address: 10.0.0.1 }', 'the one in the certificate'],
  ['a key nobody knows', '{ name: dc1, host: x }', '"host"'],
  ['a path as address', '{ name: dc1, address: a/b }', 'neither an IP address'],
])('a domain controller with %s is refused with the reason', async (_, item, words) => {
  const yaml = MINIMAL.replace('- name: dc1.corp.test', `- ${item}`);
  const problems = await problemsOf(yaml);
  expect(problems).toEqual([
    { key: 'directory.domainControllers', problem: expect.stringContaining(words) as string },
  ]);
});

test('without a list of domain controllers they are found, those of the site first', async () => {
  const yaml = MINIMAL.replace(/ {2}domainControllers:\n.*\n/, '  site: Berlin-1\n');
  const { directory } = await load(yaml);
  expect(directory).toMatchObject({ domain: 'corp.test', site: 'Berlin-1' });
  expect(directory).not.toHaveProperty('domainControllers');
});

test.each([
  [
    'beside a list',
    MINIMAL.replace('bind:', 'site: Berlin\n  bind:'),
    'only orders what DNS finds',
  ],
  [
    'that is no label of a DNS name',
    MINIMAL.replace(/domainControllers:\n.*\n/, 'site: "a.b"\n'),
    'name of an Active Directory site',
  ],
])('a site %s is refused', async (_, yaml, words) => {
  expect(await problemsOf(yaml)).toEqual([
    { key: 'directory.site', problem: expect.stringContaining(words) as string },
  ]);
});

test.each([
  ['missing', '# none', 'is missing; expected a list of distinguished names, such as OU='],
  ['left empty', 'baseDns:', 'is missing; expected a list of distinguished names'],
  ['no list', 'baseDns: 5', 'found 5'],
  ['an empty list', 'baseDns: []', 'at least one'],
  ['no distinguished name', 'baseDns: [People]', '"People" is no distinguished name'],
  ['another domain', 'baseDns: ["OU=People,DC=other,DC=test"]', 'not in the domain corp.test'],
])('base DNs with %s are refused', async (_, yaml, words) => {
  const problems = await problemsOf(MINIMAL.replace(/baseDns:\n.*\n/, `${yaml}\n`));
  expect(problems).toEqual([
    { key: 'guard.baseDns', problem: expect.stringContaining(words) as string },
  ]);
});

test('operations and groups are checked item by item', async () => {
  const yaml = `${MINIMAL}  operations: { self: [reset, erase] }\n  protectedGroups: [Admins]\n`;
  expect(await problemsOf(yaml)).toEqual([
    { key: 'guard.operations.self', problem: expect.stringContaining('"erase"') as string },
    { key: 'guard.protectedGroups', problem: expect.stringContaining('"Admins"') as string },
  ]);
});

test.each<[string, string, string, string]>([
  ['a SID in small letters', 'allowedGroups: [s-1-5-21-1-2-3-1001]', 'allowedGroups', 'is no SID'],
  [
    'a SID with a leading zero',
    'protectedGroups: [S-1-5-21-01-2-3-9]',
    'protectedGroups',
    'is no SID',
  ],
  [
    'a SID out of range',
    'protectedAccounts: [S-1-5-21-4294967296-1-1-1]',
    'protectedAccounts',
    'no SID',
  ],
  ['a limit of nothing', 'limits: { perAccount: 0 }', 'limits.perAccount', 'from 1 to'],
  [
    'a limit per actor that is one number',
    'limits: { perActor: 5 }',
    'limits.perActor',
    'self, admin',
  ],
  ['a dry run of maybe', 'dryRun: maybe', 'dryRun', 'true or false'],
  [
    'a breaker that stops all at once',
    'breaker: { perActor: 300 }',
    'breaker.perActor',
    'less than',
  ],
  [
    'an allowed unit that is denied',
    'deniedBaseDns: ["ou=people,DC=corp,DC=test"]',
    'deniedBaseDns',
    'takes away all of "OU=People,DC=corp,DC=test"',
  ],
  [
    'a privileged group required',
    'allowedGroups: [S-1-5-21-1-2-3-512]',
    'allowedGroups',
    'privileged',
  ],
  [
    'a group both required and protected',
    'allowedGroups: [S-1-5-21-1-2-3-1001]\n  protectedGroups: [S-1-5-21-1-2-3-1001]',
    'allowedGroups',
    'is in guard.protectedGroups, too',
  ],
  [
    'a unit named by number',
    'deniedBaseDns: ["2.5.4.11=VIP,DC=corp,DC=test"]',
    'deniedBaseDns',
    'is no distinguished name',
  ],
  [
    'a unit with a stray escape',
    'deniedBaseDns: ["OU=V\\\\IP,DC=corp,DC=test"]',
    'deniedBaseDns',
    'is no distinguished name',
  ],
])('%s is a problem of its setting', async (_, yaml, key, words) => {
  expect(await problemsOf(`${MINIMAL}  ${yaml}\n`)).toEqual([
    { key: `guard.${key}`, problem: expect.stringContaining(words) as string },
  ]);
});

test('every contradiction of the guard is named at once', async () => {
  const yaml = `${MINIMAL}  deniedBaseDns: ["DC=corp,DC=test"]
  allowedGroups: [S-1-5-32-544, S-1-5-21-1-2-3-1001]
  protectedGroups: [S-1-5-21-1-2-3-1001]
  breaker: { perActor: 20, overall: 20 }
  limits: { overall: -1, inspections: { self: 1.5 } }
`;
  expect((await problemsOf(yaml)).map(({ key }) => key)).toEqual([
    'guard.limits.overall',
    'guard.limits.inspections.self',
    'guard.deniedBaseDns',
    'guard.allowedGroups',
    'guard.allowedGroups',
    'guard.breaker.perActor',
  ]);
});

test('a password in a setting is refused, and no message shows it', async () => {
  const yaml = MINIMAL.replace('passwordFile: /secrets/bind', 'password: Planted-1').replace(
    'domain: corp.test',
    'domain: corp.test\n  secret: Planted-2',
  );
  const problems = await problemsOf(yaml);
  expect(problems.map(({ key }) => key)).toContain('directory.bind.password');
  expect(JSON.stringify(problems)).not.toContain('Planted');
});

test('a password where the name of its file belongs is not shown', async () => {
  for (const value of ['Planted-1', '/Planted-1', '[Planted-1]', '{ a: Planted-1 }']) {
    const yaml = MINIMAL.replace('/secrets/bind', value);
    const problems = await problemsOf(yaml);
    expect(problems.map(({ key }) => key)).toEqual(['directory.bind.passwordFile']);
    expect(JSON.stringify(problems)).not.toContain('Planted');
  }
});

test.each([
  ['is not there', undefined, 'does not exist'],
  ['may not be read', 'EACCES', 'may not be read'],
  ['is empty', '\n', 'is empty'],
  ['has two lines', 'a\nb\n', 'more than one line'],
])('a password file that %s is refused', async (_, text, words) => {
  const yaml = MINIMAL.replace('/secrets/bind', '/secrets/other');
  const disk: Disk = text === undefined ? {} : { '/secrets/other': text };
  expect(await problemsOf(yaml, { disk })).toEqual([
    { key: 'directory.bind.passwordFile', problem: expect.stringContaining(words) as string },
  ]);
});

test('one address or several come out the same way, in their order', async () => {
  expect((await load(`${MINIMAL}\nservice: { url: ${A} }`)).service.urls).toEqual([A]);
  const several = `${MINIMAL}\nservice: { urls: [https://b.c, ${A}] }`;
  expect((await load(several)).service.urls).toEqual(['https://b.c', A]);
  const env = { PASSBACK_SERVICE_URLS: `https://b.c; ${A}` };
  expect((await load(MINIMAL, { env })).service.urls).toEqual(['https://b.c', A]);
});

test('a proxy comes out with its exceptions and files, and no secret', async () => {
  const yaml = `${MINIMAL}
service:
  systemCa: false
  proxy: { url: "http://proxy.test:3128", credentialsFile: /secrets/proxy }
  noProxy: [localhost, .corp.test, 10.0.0.0/8]`;
  const disk = { '/secrets/proxy': 'joe:planted:with:colons\n' };
  const { service } = await load(yaml, { disk });
  expect(service).toEqual({
    urls: [],
    systemCa: false,
    proxy: {
      url: 'http://proxy.test:3128',
      setting: 'service.proxy.url',
      credentialsFile: '/secrets/proxy',
    },
    noProxy: ['localhost', '.corp.test', '10.0.0.0/8'],
  });
});

test('without a proxy of its own the agent takes that of the environment', async () => {
  const env = { HTTPS_PROXY: 'http://proxy.test:3128', no_proxy: 'localhost,.corp.test' };
  expect((await load(MINIMAL, { env })).service).toMatchObject({
    proxy: { url: 'http://proxy.test:3128', setting: 'HTTPS_PROXY' },
    noProxy: ['localhost', '.corp.test'],
  });
  const exempt = { ...env, PASSBACK_SERVICE_NO_PROXY: 'a.b, c.d' };
  expect((await load(MINIMAL, { env: exempt })).service.noProxy).toEqual(['a.b', 'c.d']);
});

test('a password in the address of a proxy is refused wherever it stands, and not shown', async () => {
  const inFile = `${MINIMAL}\nservice: { proxy: { url: "http://joe:Planted-1@p:1" } }`;
  const inEnvironment = { HTTPS_PROXY: 'http://joe:Planted-1@p:1' };
  for (const problems of [
    await problemsOf(inFile),
    await problemsOf(MINIMAL, { env: inEnvironment }),
  ]) {
    expect(problems).toHaveLength(1);
    expect(problems[0]?.problem).toContain('service.proxy.credentialsFile');
    expect(JSON.stringify(problems)).not.toContain('Planted');
  }
});

test.each([
  ['without a colon', 'Planted-1', 'does not hold user:password'],
  ['without a user', ':Planted-1', 'does not hold user:password'],
  ['without a password', 'Planted-1:', 'does not hold user:password'],
  ['of two lines', 'joe:Planted-1\nx', 'more than one line'],
])('a file of credentials %s is refused and not shown', async (_, text, words) => {
  const yaml = `${MINIMAL}\nservice: { proxy: { url: "http://p:1", credentialsFile: /secrets/proxy } }`;
  const problems = await problemsOf(yaml, { disk: { '/secrets/proxy': text } });
  expect(problems).toEqual([
    { key: 'service.proxy.credentialsFile', problem: expect.stringContaining(words) as string },
  ]);
  expect(JSON.stringify(problems)).not.toContain('Planted');
});

test('credentials where the name of their file belongs are not shown', async () => {
  for (const value of ['joe:Planted-1', '/joe:Planted-1', '[Planted-1]', '{ a: Planted-1 }']) {
    const yaml = `${MINIMAL}\nservice: { proxy: { url: "http://p:1", credentialsFile: "${value}" } }`;
    const problems = await problemsOf(yaml);
    expect(problems.map(({ key }) => key)).toEqual(['service.proxy.credentialsFile']);
    expect(JSON.stringify(problems)).not.toContain('Planted');
  }
});

test('a CA file without a certificate is refused', async () => {
  const yaml = `${MINIMAL}\nservice: { caFile: /ca.pem }`;
  expect(await problemsOf(yaml, { disk: { '/ca.pem': CERTIFICATE } })).toEqual([
    { key: 'service.caFile', problem: expect.stringContaining('no certificate') as string },
  ]);
});

/** Only their form matters. */
const DIGESTS = ['A', 'B'].map((letter) => `${letter.repeat(41)}/g=`);

function withPinnedKeys(value: string): string {
  return MINIMAL.replace('bind:', `pinnedKeys: ${value}\n  bind:`);
}

test('keys are pinned by the file or the environment, several too, as curl writes them or bare', async () => {
  const inFile = await load(withPinnedKeys(`[${DIGESTS[0]}, sha256//${DIGESTS[1]}]`));
  expect(inFile.directory.pinnedKeys).toEqual(DIGESTS);
  const env = { PASSBACK_DIRECTORY_PINNED_KEYS: `sha256//${DIGESTS[0]}; ${DIGESTS[1]}` };
  expect((await load(MINIMAL, { env })).directory.pinnedKeys).toEqual(DIGESTS);
});

test.each(['', '[]'])('a list of keys that is %j pins none', async (value) => {
  expect((await load(withPinnedKeys(value))).directory.pinnedKeys).toEqual([]);
});

test.each([
  ['a number', '5', 'found 5'],
  ['a fingerprint', '["AB:CD"]', '"AB:CD" is no such digest'],
  ['one of two', `[${DIGESTS[0]}, x]`, ': "x" is no such digest'],
  ['a mapping', `[{ sha256: ${DIGESTS[0]} }]`, 'a mapping is no such digest'],
])('%s as pinned keys is refused with the command that prints one', async (_, value, words) => {
  const problems = await problemsOf(withPinnedKeys(value));
  expect(problems).toEqual([
    { key: 'directory.pinnedKeys', problem: expect.stringContaining(words) as string },
  ]);
  expect(problems[0]?.problem).toMatch(
    /^expected a list of SHA-256 digests of public keys in base64, as `openssl x509 -in FILE\.pem .* \| openssl base64` prints them/,
  );
});

test('a problem with pinned keys of the environment names the variable', async () => {
  const env = { PASSBACK_DIRECTORY_PINNED_KEYS: 'sha256//short' };
  expect(await problemsOf(MINIMAL, { env })).toEqual([
    {
      key: 'directory.pinnedKeys (PASSBACK_DIRECTORY_PINNED_KEYS)',
      problem: expect.stringContaining('"sha256//short" is no such digest') as string,
    },
  ]);
});

test('a problem with a variable names the variable', async () => {
  const problems = await problemsOf(MINIMAL, { env: { PASSBACK_DRAIN_MS: 'soon' } });
  expect(problems).toEqual([
    { key: 'drainMs (PASSBACK_DRAIN_MS)', problem: expect.stringContaining('"soon"') as string },
  ]);
});

test('a variable that nearly is one of ours is told, others are left alone', async () => {
  const env = { PASSBACK_DRAIN_MSS: '5', PASSBACK_CONFIG: '/x', PASSBACK_LAB: '1', HOME: '/root' };
  expect(await problemsOf(MINIMAL, { env })).toEqual([
    { key: 'PASSBACK_DRAIN_MSS', problem: expect.stringContaining('PASSBACK_DRAIN_MS') as string },
  ]);
});

test.each([
  ['a tab', 'directory:\n\tdomain: x', 'line 2'],
  ['a setting given twice', 'drainMs: 1\ndrainMs: 2', 'line 2'],
  ['an open quote', 'drainMs: 1\nstateFolder: "Planted', 'line 2'],
  ['bytes', '\u0000\u0001\u0002', 'settings'],
  ['a list', '- 1', 'settings'],
  ['a text', 'Planted', 'settings'],
  ['an alias without its anchor', 'drainMs: *Planted', ''],
])('%s in the file is told with its line and not quoted', async (_, yaml, words) => {
  const problems = await problemsOf(yaml);
  expect(problems[0]?.key).toBe('/passback.yaml');
  expect(problems[0]?.problem).toContain(words);
  expect(JSON.stringify(problems)).not.toContain('Planted');
  expect(problems.every(({ key }) => key === '/passback.yaml')).toBe(true);
});

test('names that poison prototypes are settings nobody knows', async () => {
  const yaml = `${MINIMAL}\n__proto__: { polluted: 1 }\nconstructor: { prototype: { polluted: 1 } }`;
  const problems = await problemsOf(yaml);
  expect(problems.map(({ key }) => key)).toEqual(['__proto__', 'constructor']);
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

test('the reference tells of every setting and its variable', () => {
  const reference = configReference();
  for (const { key } of SETTINGS) {
    expect(reference).toContain(`\`${key}\``);
    expect(reference).toContain(`\`${environmentName(key)}\``);
  }
  expect(environmentName('directory.bind.passwordFile')).toBe(
    'PASSBACK_DIRECTORY_BIND_PASSWORD_FILE',
  );
});
