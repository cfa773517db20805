import { existsSync } from 'node:fs';

/** Where the package for Linux has the configuration that its unit runs with. */
const CONFIG = '/etc/passback/passback.yaml';
const UNITS = ['/etc/systemd/system/passback.service', '/usr/lib/systemd/system/passback.service'];
/** Only where systemd has booted the machine (sd_booted(3)). */
const SYSTEMD = '/run/systemd/system';

/**
 * The command that starts the agent of a configuration: of systemd where a unit of this machine runs it,
 * because what root would start in its place leaves files that the unit's account cannot read; else `run`.
 */
export function startCommand(
  configFile: string | undefined,
  run: string,
  isThere: (path: string) => boolean = existsSync,
): string {
  const hasUnit = configFile === CONFIG && isThere(SYSTEMD) && UNITS.some(isThere);
  return hasUnit ? 'systemctl enable --now passback' : run;
}
