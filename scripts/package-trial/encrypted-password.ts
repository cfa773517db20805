import type { BootedSystem } from '../../test/lab/booted-system.ts';
import { blocksOf } from './by-the-text/blocks.ts';
import { isUp } from './machine.ts';
import { expect } from './steps.ts';

/** The password as a file that only this machine can open, as the drop-in says. */
export async function encrypt({ system }: { readonly system: BootedSystem }): Promise<void> {
  const folder = '/etc/systemd/system/passback.service.d';
  const example = '/usr/share/doc/passback/examples/encrypted-password.conf';
  const commands = await system.run(`sed -n 's/^#   //p' ${example}`);
  const isEncrypting = (line: string): boolean => line.startsWith('systemd-creds encrypt ');
  const lines = commands.split('\n').filter((line) => line !== '');
  for (const line of lines.filter(isEncrypting)) await system.run(line);
  await system.run(`mkdir -p ${folder} && cp ${example} ${folder}/`);
  await system.run('systemctl daemon-reload && systemctl restart passback');
  await isUp(system, 'passback', /^running, ready/);
  await system.run('cp /etc/passback/bind-password /root/bind-password');
  for (const line of lines.filter((one) => !isEncrypting(one))) await system.run(line);
  await system.run('test ! -e /etc/passback/bind-password && systemctl restart passback');
  await isUp(system, 'passback', /^running, ready/);
  await system.run('passback config check && passback status && passback doctor');
  await system.run('systemctl stop passback && ! passback config check');
  const page = blocksOf(await system.run('cat /usr/share/doc/passback/LINUX.md'));
  const [alone] = page.filter(({ section }) => section === 'Drop-ins');
  expect(await system.run(alone?.script ?? ''), /is good/, 'what LINUX.md says for then');
  await system.run(`rm -r ${folder} /etc/passback/bind-password.cred`);
  await system.run('install -m 600 /root/bind-password /etc/passback/ && rm /root/bind-password');
  await system.run('systemctl daemon-reload && systemctl start passback');
  await isUp(system, 'passback', /^running, ready/);
}
