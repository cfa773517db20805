import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LabDescription } from '../test/lab/description.ts';
import { startLab } from '../test/lab/start-lab.ts';
import { optionsOf } from './lib/options.ts';

const CA_DIRECTORY = '.passback/lab';

/** Starts the lab, tells how to reach it, and takes it down on the first SIGINT or SIGTERM. */
async function up(controllers: 1 | 2): Promise<void> {
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  await using lab = await startLab({ controllers, progress: console.log });
  await mkdir(CA_DIRECTORY, { recursive: true });
  const caFile = join(process.cwd(), CA_DIRECTORY, 'ca.pem');
  await writeFile(caFile, lab.ca);
  console.log(howToReach(lab, caFile));
  // Waiting for a signal alone does not keep a process alive.
  const alive = setInterval(() => undefined, 60_000);
  await stopped;
  clearInterval(alive);
  console.log('Taking the lab down');
}

function howToReach(lab: LabDescription, caFile: string): string {
  const { delegatedOu, serviceAccount, administrator } = lab;
  return [
    '',
    `Domain          ${lab.domain} (${lab.netbios}), ${lab.baseDn}`,
    ...lab.controllers.map(
      ({ name, address, port }) => `Controller      ${name} at ldaps://${address}:${port}`,
    ),
    `CA              ${caFile}`,
    `Delegated       ${delegatedOu}`,
    `Agent's account ${serviceAccount.userPrincipalName}  ${serviceAccount.password}`,
    `Administrator   ${administrator.userPrincipalName}  ${administrator.password}`,
    `Network         ${lab.network} (docker); DNS at ${lab.controllers.map((controller) => controller.internalAddress).join(', ')}`,
    '',
    ...accounts(lab),
    '',
    'Running until Ctrl-C.',
  ].join('\n');
}

function accounts(lab: LabDescription): readonly string[] {
  const rows = lab.people.map((person) => [
    person.sam,
    person.upn,
    person.password,
    [
      ...person.traits,
      ...(person.groups ?? []),
      ...(person.spn === undefined ? [] : ['service']),
      ...(person.dn.endsWith(lab.delegatedOu) ? [] : ['not delegated']),
    ].join(', '),
  ]);
  const all = [['ACCOUNT', 'UPN', 'PASSWORD', 'WHAT IS SPECIAL'], ...rows];
  const width = (column: number) => Math.max(...all.map((row) => row[column]?.length ?? 0));
  const widths = [width(0), width(1), width(2)];
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

const values = optionsOf('scripts/lab', {
  controllers: { takes: 'choice', of: ['1', '2'], default: '1' },
});
await up(values.controllers === '2' ? 2 : 1);
