import { EXIT } from './command-line.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

/** What can be asked of a service of Windows. */
export type ServiceVerb = 'install' | 'uninstall' | 'status';

/** What does the same where systemd has the services. */
function bySystemd(program: string, verb: ServiceVerb): string {
  switch (verb) {
    case 'install':
      return `systemctl enable --now ${program}`;
    case 'uninstall':
      return `systemctl disable --now ${program} (apt or dnf remove ${program} takes the program, too)`;
    case 'status':
      return `systemctl status ${program}`;
  }
}

/** Says what does the same under systemd, and that nothing was done. Throws `UsageError` for people. */
export function pointToSystemd(
  terminal: Pick<Terminal, 'print' | 'setExitCode'>,
  { program, verb, json }: { program: string; verb: ServiceVerb; json: boolean },
): void {
  const instead = bySystemd(program, verb);
  if (!json) {
    throw new UsageError(
      `${program} service ${verb} does nothing here; on Linux the package brings a systemd unit: ${instead}`,
    );
  }
  terminal.print(JSON.stringify({ name: program, supported: false, instead }));
  terminal.setExitCode(EXIT.failed);
}
