import type { BootedSystem } from '../../test/lab/booted-system.ts';

/** Everything of the agent's state that stays between two runs. */
export const STATE_FILES = 'cd /var/lib/passback && ls -A | grep -v -e ^lock -e sock$ | sort';

/** What an upgrade must not touch. */
export async function facts(system: BootedSystem): Promise<string> {
  const identity = 'sha256sum /var/lib/passback/identity* /etc/passback/*';
  return (await system.run(`${STATE_FILES}; ${identity}`)).trim();
}

/** Rejects, with the last words of its journal, when the unit does not come up with that status. */
export async function isUp(system: BootedSystem, name: string, status: RegExp): Promise<void> {
  let seen = '';
  const show = `systemctl show --property=ActiveState,StatusText ${name}`;
  await until(async () => {
    seen = await system.run(show);
    const text = /^StatusText=(.*)$/m.exec(seen)?.[1] ?? '';
    return seen.includes('ActiveState=active') && status.test(text);
  }, name).catch(async () => {
    const log = await system.run(`journalctl --unit ${name} --output=cat --lines=15`);
    throw new Error(`${name} is not up:\n${seen}\n${log}`);
  });
}

export async function mainPid(system: BootedSystem, name: string): Promise<string> {
  return (await system.run(`systemctl show --property=MainPID --value ${name}`)).trim();
}

export async function until(probe: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await probe())) {
    if (performance.now() > deadline) throw new Error(`not within a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
