import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { packageScript } from '../../scripts/packaging/linux-tree.ts';
import { PROGRAM_NAMES } from '../../scripts/packaging/programs.ts';
import { environmentName, SETTINGS } from '../../src/agent/config/settings.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');
const UNITS = join(ROOT, 'service/systemd');

const hasSystemd = await run('systemd-analyze', ['--version']).then(
  () => true,
  () => false, // not a machine with systemd
);

function unit(name: string): string {
  return readFileSync(join(UNITS, `${name}.service`), 'utf8');
}

test.skipIf(!hasSystemd).each(PROGRAM_NAMES)(
  'the exposure of %s.service is at most 1.3',
  async (name) => {
    const path = join(UNITS, `${name}.service`);
    await run('systemd-analyze', ['security', '--offline=true', '--threshold=13', path]);
  },
);

test.skipIf(!hasSystemd)('the exposure with each drop-in is what the page says of it', async () => {
  const page = readFileSync(join(ROOT, 'service/LINUX.md'), 'utf8').replaceAll(/\s+/g, ' ');
  const [, both, withPort] =
    /rates both units ([\d.]+), and `passback-cloud` with `port-443.conf` \(below\) ([\d.]+)\./.exec(
      page,
    ) ?? [];
  await using folder = await temporaryFolder();
  const copy = join(folder.path, 'passback-cloud.service');
  await cp(join(UNITS, 'passback-cloud.service'), copy);
  // Another version of systemd weighs a little differently.
  const isRated = async (said: string | undefined): Promise<void> => {
    const args = ['security', '--offline=true', '--no-pager', copy];
    const { stdout } = await run('systemd-analyze', args);
    const rating = /exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1];
    expect(Math.abs(Number(rating) - Number(said))).toBeLessThan(0.25);
  };
  await isRated(both);
  await cp(join(UNITS, 'examples/port-443.conf'), join(`${copy}.d`, 'port-443.conf'));
  await isRated(withPort);
});

test('what units and drop-ins put into the environment are settings, and no secrets', () => {
  const known = SETTINGS.map(({ key }) => environmentName(key));
  const examples = readdirSync(join(UNITS, 'examples')).map((file) => join('examples', file));
  const files = [...examples, ...PROGRAM_NAMES.map((name) => `${name}.service`)];
  const set = files.flatMap((file) => [
    ...readFileSync(join(UNITS, file), 'utf8').matchAll(/^Environment=(\w+)=(.*)$/gm),
  ]);
  expect(set.length).toBeGreaterThan(1);
  for (const [, name = '', value] of set) {
    if (name === 'MALLOC_ARENA_MAX') {
      expect(value).toBe('2'); // the C library's, and no secret either
      continue;
    }
    expect(known).toContain(name);
    expect(value).toMatch(/^(%d|\/run)\//);
  }
});

test.each(PROGRAM_NAMES)('%s.service keeps what would weaken it out', (name) => {
  const text = unit(name);
  expect(text).toContain('Type=notify');
  expect(text).toMatch(/^WatchdogSec=\d+$/m);
  expect(text).toContain('RestartPreventExitStatus=78');
  expect(text).toMatch(/^LimitCORE=0$/m);
  expect(text).not.toMatch(/^(MemoryDenyWriteExecute|PassEnvironment|EnvironmentFile)=/m);
});

test.each(
  PROGRAM_NAMES.flatMap((program) =>
    ['deb-postinst', 'deb-prerm', 'deb-postrm'].map((script) => [program, script] as const),
  ),
)('%s: %s is a whole shell script that touches its own package only', async (program, script) => {
  const text = await packageScript(ROOT, program, script);
  expect(text).not.toContain('@');
  expect(text).toContain(`\nname=${program}\n`);
  await run('sh', ['-n', '-c', text]);
});
