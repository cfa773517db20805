import { tryDocker } from './docker.ts';
import type { Lab } from './lab.ts';
import { firstController } from './open-directory.ts';

export interface DelegationAnswer {
  readonly exitCode: number;
  /** What it said on both streams, without the lines that the lab has its directory log. */
  readonly output: string;
}

/** Runs the script for Samba on the first controller, as an administrator there would. */
export function runDelegation(lab: Lab, ...args: readonly string[]): Promise<DelegationAnswer> {
  return onController(lab, ['/lab/passback-delegation', ...args]);
}

/** Runs any command on the first controller; rejects when it fails. */
export async function administer(lab: Lab, ...command: readonly string[]): Promise<string> {
  const { exitCode, output } = await onController(lab, command);
  if (exitCode !== 0) throw new Error(`${command.slice(0, 3).join(' ')}: ${output}`);
  return output;
}

const SET_INHERITANCE = `
import sys
sys.path.insert(0, "/lab")
from lab import open_samdb
from access_lists import Domain, own_entries
domain = Domain(open_samdb())
domain.write(sys.argv[1], own_entries(domain.descriptor(sys.argv[1])), sys.argv[2] == "off")
`;

/** Turns the inheritance of permissions on or off for one object. */
export async function setInheritance(lab: Lab, dn: string, to: 'on' | 'off'): Promise<void> {
  await administer(lab, 'python3', '-c', SET_INHERITANCE, dn, to);
}

async function onController(lab: Lab, command: readonly string[]): Promise<DelegationAnswer> {
  const { containerId } = firstController(lab);
  const answer = await tryDocker(['exec', '--workdir', '/tmp', containerId, ...command]);
  const lines = answer.output.split('\n').filter((line) => !line.startsWith('{"timestamp"'));
  return { exitCode: answer.exitCode, output: lines.join('\n') };
}
