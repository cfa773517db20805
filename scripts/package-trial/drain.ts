import type { BootedSystem } from '../../test/lab/booted-system.ts';
import type { Lab } from '../../test/lab/lab.ts';
import { isUp, until } from './machine.ts';
import { expect } from './steps.ts';

interface Parts {
  readonly system: BootedSystem;
  readonly lab: Lab;
}

/** `drainMs`: the unit's own limit is later. */
const DRAIN_LIMIT_S = 25;
const PASSWORD_TO_COME = '/root/password-to-come';
const DRAINED =
  /"reset_by_admin\.started"[^]*"agent\.stopping"[^]*"reset_by_admin\.applied"[^]*"agent\.stopped"/;

/**
 * Has the agent stopped while a frozen controller keeps a reset from ending. Rejects unless that was
 * applied all the same, and said so to who ordered it, and the unit ended well in time. `reset` is a
 * command line of which the file with the password is missing.
 */
export async function drainReset(parts: Parts, reset: string, password: string): Promise<void> {
  const { system, lab } = parts;
  // What this run of the agent has logged is of this reset only.
  await system.run('systemctl restart passback');
  await isUp(system, 'passback', /^running, ready/);
  const run = (await system.run('systemctl show --property=InvocationID --value passback')).trim();
  const log = `journalctl --output=cat _SYSTEMD_INVOCATION_ID=${run}`;
  // The password is read when the reset is prepared, and until then nobody has written it.
  await system.run(`mkfifo --mode=600 ${PASSWORD_TO_COME}`);
  const ordered = system.try(`timeout 120 ${reset} ${PASSWORD_TO_COME}`);
  await until(
    async () => (await system.run(log)).includes('"account.inspected"'),
    'a prepared reset',
  );
  await stopFrozen(parts, log, password);
  const { exitCode, output } = await ordered;
  expect(`${exitCode}: ${output}`, /^0: .* is applied/, 'operate');
  expect(await system.run(log), DRAINED, 'its last words');
  expect(await lab.kinit('anna', password), 'ok', 'kinit');
  await system.run(`rm ${PASSWORD_TO_COME} && systemctl start passback`);
  await isUp(system, 'passback', /^running, ready/);
}

/** Lets the reset begin while the controller is silent, and the controller speak when the agent is told to stop. */
async function stopFrozen({ system, lab }: Parts, log: string, password: string): Promise<void> {
  const began = performance.now();
  await lab.pauseController(0);
  try {
    // In one command, because after 4 s without an answer the agent gives the controller up.
    await system.run(
      `says() {
        for try in {1..100}; do ${log} | grep -q "$1" && return; sleep 0.1; done
        echo "no $1 in the agent's log"; false
      }
      timeout 20 tee ${PASSWORD_TO_COME} > /dev/null
      says reset_by_admin.started
      systemctl stop --no-block passback
      says agent.stopping`,
      password,
    );
  } finally {
    await lab.unpauseController(0);
  }
  await system.run('systemctl stop passback'); // waits for the stop that was ordered
  const seconds = (performance.now() - began) / 1000;
  const shown = await system.run('systemctl show --property=Result,ExecMainStatus passback');
  expect(shown, /^(?=[^]*Result=success)(?=[^]*ExecMainStatus=0)/, 'end of the agent');
  if (seconds > DRAIN_LIMIT_S) throw new Error(`it took ${seconds.toFixed(1)} s to stop`);
}
