import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const run = promisify(execFile);
const SOURCE = join(import.meta.dirname, '../../../service/windows/passback.wxs');

const source = await readFile(SOURCE, 'utf8');

/** What the MSI has the bundle's Node.js do in this step, as Windows Installer reads it. */
function commandOf(step: string): string {
  const [, command = ''] =
    new RegExp(`<CustomAction Id="${step}"[^>]*?ExeCommand="([^"]*)"`).exec(source) ?? [];
  return command.replaceAll('&quot;', '"').replaceAll('&amp;', '&');
}

/** Where the step stands in the sequence, and when it is done. */
function scheduled(step: string): readonly [number, string] {
  const [, at, when = ''] =
    new RegExp(`<Custom Action="${step}" Sequence="(\\d+)">([^<]*)<`).exec(source) ?? [];
  return [Number(at), when];
}

interface Installed {
  readonly folder: string;
  readonly do: (step: string) => Promise<void>;
  readonly started: () => Promise<boolean>;
}

/** A folder with a program that says how its service is, and Windows' own command that starts one. */
async function installed(statusCode: number): Promise<Installed> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  await writeFile(
    join(folder.path, 'passback.js'),
    `process.exitCode = process.argv.slice(2).join(' ') === 'service status' ? ${statusCode} : 64;\n`,
  );
  const tools = await temporaryFolder();
  onTestFinished(() => tools[Symbol.asyncDispose]());
  const manager = join(tools.path, 'System32', 'sc.exe');
  await mkdir(dirname(manager));
  await writeFile(manager, `#!/bin/sh\necho "$*" > '${tools.path}/said'\n`);
  await chmod(manager, 0o755);
  return {
    folder: folder.path,
    do: async (step) => {
      const words = commandOf(step).replaceAll('[InstallDir]', `${folder.path}/`);
      const args = [...words.matchAll(/"([^"]*)"|(\S+)/g)].map(
        ([, quoted, bare]) => quoted ?? bare,
      );
      await run(process.execPath, args as string[], { env: { SystemRoot: tools.path } });
    },
    started: () =>
      readFile(join(tools.path, 'said'), 'utf8').then(
        (said) => said === 'start passback\n',
        () => false,
      ),
  };
}

test('a service that runs before an upgrade is started after it', async () => {
  const machine = await installed(0);
  await machine.do('RememberService');
  await machine.do('StartService');
  expect(await machine.started()).toBe(true);
  expect(await readdir(machine.folder)).toEqual(['passback.js']);
});

test('a service that an admin has stopped stays stopped', async () => {
  const machine = await installed(1);
  await machine.do('RememberService');
  await machine.do('StartService');
  expect(await machine.started()).toBe(false);
  expect(await readdir(machine.folder)).toEqual(['passback.js']);
});

test('what an upgrade that was rolled back remembered is forgotten by the next', async () => {
  const machine = await installed(0);
  await machine.do('RememberService');
  await writeFile(join(machine.folder, 'passback.js'), 'process.exitCode = 1;\n');
  await machine.do('RememberService');
  await machine.do('StartService');
  expect(await machine.started()).toBe(false);
});

test('it is remembered before anything is stopped, by whoever is removed or repaired, and started last', () => {
  expect(scheduled('RememberService')).toEqual([
    1899,
    'Installed AND (NOT REMOVE OR UPGRADINGPRODUCTCODE)',
  ]);
  expect(scheduled('StartService')).toEqual([4002, 'NOT REMOVE']);
});

test('Windows Installer finds nothing to fill in but what is meant, and room for all of it', () => {
  const steps = [...source.matchAll(/<CustomAction Id="(\w+)"/g)].map(([, step = '']) => step);
  expect(steps).toHaveLength(4);
  for (const step of steps) {
    const command = commandOf(step);
    expect(command.length).toBeLessThan(256);
    expect(command.replaceAll(/\[(?:InstallDir|CommonAppDataFolder)\]/g, '')).not.toMatch(
      /[[\]{}]/,
    );
  }
});
