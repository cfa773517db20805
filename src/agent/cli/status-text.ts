import type { ControllerHealth } from '../../protocol/status.ts';
import { textTable } from '../../support/text-table.ts';
import type { LocalStatus } from '../health/local-status.ts';

const COLOURS = { running: 32, paused: 33, degraded: 33, down: 31 } as const;

/** How an agent is, for a person at a terminal. */
export function statusText(local: LocalStatus, inColour: boolean): string {
  const { status, build, notReady } = local;
  const paint = (text: string): string =>
    inColour ? `\u001b[${COLOURS[status.state]}m${text}\u001b[0m` : text;
  const reasons = [...new Set([...status.reasons, ...notReady, ...local.stuck])];
  return [
    `Writeback: ${paint(status.state)}${notReady.length === 0 ? '' : ' (not ready)'}`,
    ...reasons.map((reason) => `  - ${printable(reason)}`),
    `Link:      ${linkText(local.link)}`,
    ...linkDetails(local.link).map((line) => `           ${line}`),
    `Pause:     ${pauseText(local.pause)}`,
    '',
    ...controllerTable(status.controllers),
    '',
    ...guardLines(local.guard),
    `Rights:    ${rightsText(status)}`,
    `Keys:      sealing key of ${status.keys.sealingSince} (${ageText(status)}), key set ${status.keys.keySet} of the service`,
    `Journal:   ${status.journal.seq} outcomes signed, ${status.journal.open} operations open`,
    `Counters:  ${counterText(status.counters)} since ${status.startedAt}`,
    `Agent:     ${local.agent} of ${printable(local.directory)}, version ${build.version} on Node.js ${build.node} (${build.platform}), pid ${build.pid}`,
  ].join('\n');
}

function linkText({
  state,
  since,
  url = 'no address',
  connectedSince,
}: LocalStatus['link']): string {
  return printable(
    state === 'ready'
      ? `connected to ${url} since ${connectedSince ?? since}`
      : `${state} since ${since}, ${url}`,
  );
}

function linkDetails({ proxy, lastFailure, nextTryAt }: LocalStatus['link']): readonly string[] {
  return [
    ...(proxy === undefined ? [] : [`through the proxy ${proxy}`]),
    ...(lastFailure === undefined
      ? []
      : [`last failure ${lastFailure.at} at ${lastFailure.url}: ${lastFailure.reason}`]),
    ...(nextTryAt === undefined ? [] : [`next try ${nextTryAt}`]),
  ].map(printable);
}

function pauseText(pause: LocalStatus['pause']): string {
  if (pause === undefined) return 'none at this machine';
  const until = pause.until === undefined ? 'until passback resume' : `until ${pause.until}`;
  return printable(`since ${pause.since}, ${until}: ${pause.reason}`);
}

const HEAD = ['CONTROLLER', 'USABLE', 'LATENCY', 'CLOCK', 'CERTIFICATE UNTIL', 'POLICY HINTS'];

function controllerTable(controllers: readonly ControllerHealth[]): readonly string[] {
  if (controllers.length === 0) return ['No domain controller has been asked yet.'];
  return textTable(HEAD, controllers.map(controllerRow));
}

function controllerRow(controller: ControllerHealth): readonly string[] {
  const { name, reachable, bound, latencyMs, clockOffsetMs } = controller;
  const { certificateExpiresAt, policyHints } = controller;
  return [
    name,
    bound ? 'yes' : reachable ? 'no bind' : 'unreachable',
    latencyMs === undefined ? '-' : `${latencyMs} ms`,
    clockOffsetMs === undefined
      ? '-'
      : `${clockOffsetMs < 0 ? '' : '+'}${(clockOffsetMs / 1000).toFixed(1)} s`,
    certificateExpiresAt?.slice(0, 10) ?? '-',
    policyHints === undefined ? '-' : policyHints ? 'yes' : 'no',
  ].map(printable);
}

function guardLines(guard: LocalStatus['guard']): readonly string[] {
  const { self, admin, baseDns, limits, breaker, dryRun } = guard;
  const { perAccount, perActor, overall } = limits;
  const open = breaker.open
    ? 'OPEN for everybody'
    : breaker.stoppedActors > 0
      ? `open for ${breaker.stoppedActors} callers`
      : 'closed';
  return [
    `Guard:     self ${self.join(', ') || 'nothing'}; admin ${admin.join(', ') || 'nothing'}; below ${printable(baseDns.join(' and ')) || 'nothing'}${dryRun ? '; dry run' : ''}`,
    `           per hour: ${perAccount} per account, ${perActor.self} per person, ${perActor.admin} per admin, ${overall} in all`,
    `           breaker: ${open} (${breaker.perActor} per caller, ${breaker.overall} writes in all, within ${breaker.windowMinutes} min)`,
  ];
}

const RIGHTS = {
  resetPassword: 'Reset Password',
  writeLockoutTime: 'write lockoutTime',
  writePwdLastSet: 'write pwdLastSet',
  unexpirePassword: 'Unexpire Password',
} as const;

function rightsText({ rights, passwordExpiresAt }: LocalStatus['status']): string {
  if (rights === undefined) return 'not looked at yet';
  const all = Object.entries(RIGHTS).map(
    ([right, name]) => `${name} ${rights[right as keyof typeof RIGHTS]}`,
  );
  const expiry =
    passwordExpiresAt === undefined ? '' : `; password until ${passwordExpiresAt.slice(0, 10)}`;
  return `${all.join(', ')}${expiry}`;
}

function ageText({ at, keys }: LocalStatus['status']): string {
  const hours = (Date.parse(at) - Date.parse(keys.sealingSince)) / 3_600_000;
  return `${Math.max(0, Math.round(hours))} h old`;
}

function counterText(counters: Readonly<Record<string, number>>): string {
  const counts = Object.entries(counters).map(([name, count]) => `${count} ${name}`);
  return counts.join(', ') || 'no operation';
}

/** What others have said must not steer a terminal. */
function printable(line: string): string {
  return line.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, '?');
}
