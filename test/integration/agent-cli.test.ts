import { chmod, chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ConnectProxy } from '../support/connect-proxy.ts';
import { openEnrollmentDesk } from '../support/enrollment-desk.ts';
import { packageVersion } from '../../src/support/version.ts';
import { passback } from '../support/run-passback.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

async function files(): Promise<{ path: string; config: string; state: string }> {
  const temporary = await temporaryFolder();
  onTestFinished(() => temporary[Symbol.asyncDispose]());
  const path = temporary.path;
  const config = join(path, 'passback.yaml');
  const state = join(path, 'state');
  await writeFile(join(path, 'bind-password'), 'Planted-Password\n', { mode: 0o600 });
  await writeFile(
    config,
    `directory:
  domain: corp.test
  domainControllers: [{ name: dc1.corp.test }]
  bind: { user: svc@corp.test, passwordFile: ${join(path, 'bind-password')} }
guard: { baseDns: ["OU=People,DC=corp,DC=test"] }
stateFolder: ${state}
`,
  );
  return { path, config, state };
}

test('a good configuration is said to be good, for people and for programs', async () => {
  const { config } = await files();
  expect(await passback(['config', 'check', '--config', config])).toMatchObject({
    out: expect.stringMatching(/^The configuration is good\.\nNext: passback enroll /) as string,
    code: 0,
  });
  const { out } = await passback(['config', 'check', '-c', config, '--json']);
  expect(JSON.parse(out)).toEqual({ ok: true });
});

test('the shipped example is good once its files are there', async () => {
  const { path } = await files();
  const example = await readFile('config/passback.example.yaml', 'utf8');
  const config = join(path, 'example.yaml');
  await writeFile(
    config,
    example.replace(/\/etc\/passback\/bind-password/, join(path, 'bind-password')),
  );
  expect(await passback(['config', 'check', '-c', config])).toMatchObject({ err: '', code: 0 });
});

test('a bad configuration ends with 78 and every problem, for people and for programs', async () => {
  const { config } = await files();
  const env = {
    PASSBACK_DRAIN_MS: 'soon',
    PASSBACK_CONFIG: config,
    PASSBACK_LOGGING_LEVEL: 'loud',
  };
  const people = await passback(['config', 'check'], env);
  expect(people.code).toBe(78);
  expect(people.err).toContain('2 problems');
  expect(people.err).toContain('drainMs (PASSBACK_DRAIN_MS)');
  const programs = await passback(['config', 'check', '--json'], env);
  expect(programs.code).toBe(78);
  const answer = JSON.parse(programs.out) as { ok: boolean; problems: unknown[] };
  expect(answer.ok).toBe(false);
  expect(answer.problems).toHaveLength(2);
});

test('without a file the first thing said is that none is named', async () => {
  const ran = await passback(['config', 'check']);
  expect(ran.code).toBe(78);
  expect(ran.err).toMatch(/problems:\n {2}--config: no file is named/);
});

test.each(['pause', 'resume'])(
  '%s says in words that a file is no state folder',
  async (command) => {
    const { config } = await files();
    const reason = command === 'pause' ? ['--reason', 'x'] : [];
    const ran = await passback([command, '--state-folder', config, ...reason]);
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toBe(`the state folder ${config} is a file; a folder is expected`);
  },
);

test('a CA file without a certificate is named before the service is asked', async () => {
  const { path, config } = await files();
  await writeFile(join(path, 'token'), 'x');
  const enroll = ['enroll', '--url', 'https://localhost:1', '--token-file', join(path, 'token')];
  const ran = await passback([...enroll, '--ca-file', config, '--state-folder', join(path, 's')]);
  expect(ran).toMatchObject({ code: 1, out: '' });
  expect(ran.err).toBe(`--ca-file: ${config} holds no certificate in PEM form`);
});

test('running with a bad configuration ends with 78 too', async () => {
  const ran = await passback(['run', '--config', '/nowhere/passback.yaml']);
  expect(ran).toMatchObject({ code: 78 });
  expect(ran.err).toContain('/nowhere/passback.yaml');
});

test('a bind password that every account can read is a configuration problem', async () => {
  const { path, config } = await files();
  await chmod(join(path, 'bind-password'), 0o644);
  const ran = await passback(['config', 'check', '--config', config]);
  expect(ran.code).toBe(78);
  expect(ran.err).toContain('directory.bind.passwordFile: every account can read');
  await chmod(join(path, 'bind-password'), 0o640);
  expect((await passback(['config', 'check', '--config', config])).code).toBe(0);
});

test('running without an identity says to enrol', async () => {
  const { config } = await files();
  const ran = await passback(['run', '--config', config]);
  expect(ran.code).toBe(78);
  expect(ran.err).toContain('passback enroll');
});

test.each(['ldapts', '*', 'http,LDAPTS'])(
  'running with NODE_DEBUG=%s is refused',
  async (value) => {
    const { config } = await files();
    const ran = await passback(['run', '--config', config], { NODE_DEBUG: value });
    expect(ran.code).toBe(1);
    expect(ran.err).toContain('NODE_DEBUG');
  },
);

test('show prints every setting with its source, and opens no file up', async () => {
  const { config, state, path } = await files();
  const digest = `sha256//${'A'.repeat(43)}=`;
  const env = {
    ...{ PASSBACK_DRAIN_MS: '1000', HTTPS_PROXY: 'http://proxy.test:3128' },
    PASSBACK_DIRECTORY_PINNED_KEYS: digest,
  };
  const { out, code } = await passback(['config', 'show', '-c', config], env);
  expect(code).toBe(0);
  expect(out.split('\n')).toEqual(
    expect.arrayContaining([
      `stateFolder: ${JSON.stringify(state)}   (file)`,
      'drainMs: 1000   (environment, PASSBACK_DRAIN_MS)',
      'concurrency: 16   (default)',
      'service.caFile: none   (default)',
      `directory.pinnedKeys: ["${digest}"]   (environment, PASSBACK_DIRECTORY_PINNED_KEYS)`,
      'service.proxy.url: "http://proxy.test:3128"   (environment, HTTPS_PROXY)',
      `directory.bind.passwordFile: ${JSON.stringify(join(path, 'bind-password'))}   (file)`,
    ]),
  );
  const json = await passback(['config', 'show', '-c', config, '--json'], env);
  expect(JSON.parse(json.out)).toMatchObject({
    file: config,
    settings: {
      drainMs: { value: 1000, source: 'environment', variable: 'PASSBACK_DRAIN_MS' },
      'guard.dryRun': { value: false, source: 'default' },
      'directory.domain': { value: 'corp.test', source: 'file' },
    },
  });
  expect(out + json.out).not.toContain('Planted');
});

test('show of a bad configuration ends with 78 and every problem', async () => {
  const { config } = await files();
  const ran = await passback(['config', 'show', '-c', config], { PASSBACK_DRAIN_MS: 'soon' });
  expect(ran).toMatchObject({ code: 78, out: '' });
});

test.each([['run'], ['enroll', '--url', 'https://localhost:1', '--token-file', '/dev/null']])(
  '%s does not start where verification is switched off from outside',
  async (...args) => {
    const { config } = await files();
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const ran = await passback([...args, '--config', config], env);
    expect(ran.code).toBe(1);
    expect(ran.err).toContain('NODE_TLS_REJECT_UNAUTHORIZED');
  },
);

test('enrolling prints what a person has to compare, and nothing secret', async () => {
  const { path, config, state } = await files();
  await using desk = await openEnrollmentDesk();
  await writeFile(join(path, 'token'), `${desk.token}\n`);
  await writeFile(join(path, 'ca.pem'), desk.ca);
  const ran = await passback([
    ...['enroll', '--url', desk.url, '--token-file', join(path, 'token')],
    ...['--config', config, '--ca-file', join(path, 'ca.pem'), '--name', 'one', '--json'],
  ]);
  expect(ran).toMatchObject({ err: '', code: 0 });
  expect(JSON.parse(ran.out)).toMatchObject({ agentId: desk.agent, stateFolder: state });
  expect(ran.out).toContain(desk.requests[0]?.deviceKey.kid);
  expect(ran.out).not.toContain(desk.token);
  expect(await readdir(state)).toContain('identity.json');

  const again = await passback([
    ...['enroll', '--url', desk.url, '--token-file', join(path, 'token')],
    ...['--config', config, '--ca-file', join(path, 'ca.pem')],
  ]);
  expect(again.code).toBe(1);
  expect(again.err).toContain('already belongs to agent');
  expect(again.err).not.toContain(desk.token);
});

test.each([
  [['enroll'], '--url'],
  [['enroll', '--url', 'https://a.b'], '--token-file'],
  [['enroll', '--url', 'https://a.b', '--token-file', '/nowhere/token'], '/nowhere/token'],
  [['enroll', '--url', 'nonsense', '--token-file', '/dev/null'], '--url'],
  [['run', '--verbose'], '--verbose'],
  [['frob'], 'frob'],
])('%j is refused with what is wrong', async (args, words) => {
  const ran = await passback(args);
  expect(ran.code).toBe(1);
  expect(ran.err).toContain(words);
});

test('help and version are no failure', async () => {
  for (const args of [
    ['--help'],
    ['run', '--help'],
    ['enroll', '--help'],
    ['version'],
    ['--version'],
  ]) {
    const ran = await passback(args);
    expect(ran, args.join(' ')).toMatchObject({ err: '', code: 0 });
    expect(ran.out).not.toBe('');
  }
  expect((await passback(['--help'])).out).toContain('78');
});

test('a state folder that others can enter stops the start with the cure', async () => {
  const { path, config, state } = await files();
  await using desk = await openEnrollmentDesk();
  await writeFile(join(path, 'token'), desk.token);
  await writeFile(join(path, 'ca.pem'), desk.ca);
  await passback([
    ...['enroll', '--url', desk.url, '--token-file', join(path, 'token')],
    ...['--config', config, '--ca-file', join(path, 'ca.pem')],
  ]);
  await chmod(state, 0o755);
  const ran = await passback(['run', '--config', config]);
  expect(ran.code).toBe(78);
  expect(ran.err).toContain(`chmod 700 '${state}'`);
});

test('whatever would write to a state folder of a newer passback is refused before it does', async () => {
  const { path, config, state } = await files();
  await using desk = await openEnrollmentDesk();
  await writeFile(join(path, 'token'), desk.token);
  await writeFile(join(path, 'ca.pem'), desk.ca);
  const enroll = [
    ...['enroll', '--url', desk.url, '--token-file', join(path, 'token')],
    ...['--config', config, '--ca-file', join(path, 'ca.pem')],
  ];
  expect(await passback(enroll)).toMatchObject({ err: '', code: 0 });
  const mark = join(state, 'version.json');
  expect(JSON.parse(await readFile(mark, 'utf8'))).toEqual({ version: 1, by: packageVersion() });
  await writeFile(mark, '{"version":2,"by":"0.9.0"}', { mode: 0o600 });
  const before = await readdir(state);
  for (const [args, code] of [
    [['run', '--config', config], 78],
    [['pause', '--reason', 'test', '--config', config], 1],
    [['resume', '--config', config], 1],
    [enroll, 1],
  ] as const) {
    const ran = await passback(args);
    expect(ran, args[0]).toMatchObject({ code });
    expect(ran.err).toContain('install passback 0.9.0 or newer again. Nothing was changed');
  }
  expect(await readdir(state)).toEqual(before);
  const { out } = await passback(['doctor', '--config', config]);
  expect(out).toMatch(/FAIL +Enrolment.*\n?.*was brought to version 2 by passback 0\.9\.0/);
});

test('enrolling without a configuration takes the proxy of the environment', async () => {
  await using proxy = await ConnectProxy.start();
  await using desk = await openEnrollmentDesk();
  const { path, state } = await files();
  await writeFile(join(path, 'token'), desk.token);
  await writeFile(join(path, 'ca.pem'), desk.ca);
  const args = [
    ...['enroll', '--url', desk.url, '--token-file', join(path, 'token')],
    ...['--ca-file', join(path, 'ca.pem'), '--state-folder', state],
  ];
  expect(await passback(args, { HTTPS_PROXY: proxy.url })).toMatchObject({ err: '', code: 0 });
  expect(proxy.asked.map(({ target }) => target)).toEqual([new URL(desk.url).host]);
});

test('a password in HTTPS_PROXY ends enrolling and running with 78, unseen', async () => {
  const { path, config } = await files();
  await writeFile(join(path, 'token'), 'token');
  const env = { HTTPS_PROXY: 'http://joe:Planted-1@proxy.test:3128' };
  const enroll = ['enroll', '--url', 'https://localhost:1', '--token-file', join(path, 'token')];
  for (const args of [enroll, [...enroll, '--config', config], ['run', '--config', config]]) {
    const { err, out, code } = await passback(args, env);
    expect(code).toBe(78);
    expect(err).toContain('service.proxy.credentialsFile');
    expect(err + out).not.toContain('Planted');
  }
});

test('what speaks to a running agent, and enrolment, need no password of the directory', async () => {
  const { config, path } = await files();
  const absent = { PASSBACK_DIRECTORY_BIND_PASSWORD_FILE: join(path, 'nowhere') };
  const status = await passback(['status', '--config', config], absent);
  expect(status).toMatchObject({ code: 1 });
  expect(status.err).toContain('no agent is running here');
  await using desk = await openEnrollmentDesk();
  await writeFile(join(path, 'token'), desk.token);
  await writeFile(join(path, 'ca.pem'), desk.ca);
  const given = ['--token-file', join(path, 'token'), '--ca-file', join(path, 'ca.pem')];
  const enrolled = await passback(['enroll', '--url', desk.url, ...given, '-c', config], absent);
  expect(enrolled).toMatchObject({ err: '', code: 0 });
  const run = await passback(['run', '--config', config], absent);
  expect(run).toMatchObject({ code: 78 });
});

test.skipIf(process.platform === 'win32').each(['install', 'uninstall', 'status'])(
  'passback service %s says what does the same elsewhere than on Windows',
  async (command) => {
    const { code, err } = await passback(['service', command]);
    expect(code).toBe(1);
    expect(err).toMatch(/the package brings a systemd unit: systemctl \w+.* passback/);
    const forPrograms = await passback(['service', command, '--json']);
    expect(forPrograms).toMatchObject({ code: 1, err: '' });
    expect(JSON.parse(forPrograms.out)).toEqual({
      name: 'passback',
      supported: false,
      instead: expect.stringMatching(/^systemctl \w+.* passback/) as string,
    });
  },
);

test('the version is there for people and for programs', async () => {
  const { out: version } = await passback(['version']);
  expect(version).toMatch(/^\d+\.\d+\.\d+/);
  const { out, code } = await passback(['version', '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({ name: 'passback', version, node: process.versions.node });
});

test.runIf(process.geteuid?.() === 0)(
  'root does not run the agent on the state of another account',
  async () => {
    const { config, state } = await files();
    await mkdir(state, { mode: 0o700 });
    await chown(state, 54_321, 54_321);
    const { code, err } = await passback(['run', '--config', config]);
    expect(code).toBe(1);
    expect(err).toContain(`${state} belongs to another account (uid 54321)`);
    expect(await readdir(state)).toEqual([]);
  },
);
