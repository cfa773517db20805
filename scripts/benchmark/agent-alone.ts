import { once, setMaxListeners } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { JWK } from 'jose';
import { TOKEN_LIFETIME_S } from '../../src/protocol/command.ts';
import { signToken, verifyToken } from '../../src/protocol/tokens.ts';
import { eventually } from '../../test/support/eventually.ts';
import { FakeDirectory } from '../../test/support/fake-directory.ts';
import { resetClaims } from '../../test/support/make-command.ts';
import { ScriptedService } from '../../test/support/scripted-service.ts';
import { StartedAgent } from '../../test/support/start-agent.ts';
import { ask, startPinned, type Usage } from './child.ts';
import type { BaselineInput } from './baseline-child.ts';
import type { CpuProfile } from './cpu-profile.ts';
import { inParallel } from './work-pool.ts';

const AT_ONCE = 16;
/** Of both, before anything is measured: until the programs have been compiled as far as they will be. */
const WARM_UP = 3_000;
const NEVER = new AbortController().signal;
setMaxListeners(0, NEVER); // one for each command in flight

export interface AgentAlone {
  /** Those that were measured, and with those that came before. */
  readonly commands: number;
  readonly commandsInAll: number;
  readonly agentPerSecond: number;
  readonly baselinePerSecond: number;
  readonly agentCpuMs: number;
  readonly baselineCpuMs: number;
  /** Resident memory this long after hello, idle, and after all commands. */
  readonly idleSeconds: number;
  readonly idleRssMb: number;
  readonly busyRssMb: number;
  /** Of as many commands once more. */
  readonly profile: CpuProfile;
}

export interface AgentAloneOptions {
  readonly commands: number;
  readonly idleSeconds: number;
  readonly progress: (line: string) => void;
  /** Where the whole profile goes. */
  readonly profileFile: string;
}

/**
 * The agent on one core, with TLS link, guard, durable journal and log, over a directory that
 * answers at once, measured and then profiled; then, on the same core, a loop that does its
 * cryptography and journal alone.
 */
export async function measureAgentAlone(options: AgentAloneOptions): Promise<AgentAlone> {
  const { commands, idleSeconds, progress, profileFile } = options;
  const measuredEnd = WARM_UP + commands;
  const total = measuredEnd + commands;
  await using service = await ScriptedService.start();
  await using agent = await StartedAgent.enroll(service, { directory: new FakeDirectory() });
  const folder = join(agent.stateFolder, '..');
  const configFile = join(folder, 'config.json');
  await writeFile(configFile, JSON.stringify(agent.config));
  const child = startPinned('agent-child.js', [configFile, String(total)]);
  try {
    await eventually(() => service.sessions.some(({ hello }) => hello !== undefined), 20_000);
    progress(`agent: connected; ${idleSeconds} s of rest before its memory is read`);
    await delay(idleSeconds * 1000);
    const idle = await ask<Usage>(child, 'usage');
    progress(`agent: signing ${2 * commands} commands, and ${WARM_UP} to warm up with`);
    const tokens = await makeTokens(service, total);
    const outcomes: string[] = [];
    const execute = async (command: string): Promise<void> => {
      const { outcome } = await service.session.peer.call('command.execute', { command }, NEVER);
      outcomes.push(outcome);
    };
    await inParallel(tokens.slice(0, WARM_UP), AT_ONCE, execute);
    const before = await ask<Usage>(child, 'usage');
    const seconds = await inParallel(tokens.slice(WARM_UP, measuredEnd), AT_ONCE, execute);
    const after = await ask<Usage>(child, 'usage');
    await ask(child, 'profile');
    await inParallel(tokens.slice(measuredEnd), AT_ONCE, execute);
    const profile = await ask<CpuProfile>(child, { profiledTo: profileFile });
    await allApplied(service, outcomes, await ask<number>(child, 'writes'));
    child.send('stop');
    await once(child, 'exit');
    progress('baseline: the cryptography and the journal alone');
    const baseline = await runBaseline(service, agent.stateFolder, tokens.slice(0, measuredEnd));
    const perCommandMs = (us: number): number => us / commands / 1000;
    return {
      commands,
      commandsInAll: measuredEnd,
      agentPerSecond: commands / seconds,
      baselinePerSecond: commands / baseline.seconds,
      agentCpuMs: perCommandMs(after.cpuUs - before.cpuUs),
      baselineCpuMs: perCommandMs(baseline.cpuUs),
      idleSeconds,
      idleRssMb: idle.rss / 2 ** 20,
      busyRssMb: after.rss / 2 ** 20,
      profile,
    };
  } finally {
    child.kill('SIGKILL');
  }
}

/** A reset for each account, signed for the live session. Tokens live a minute: this must be quick. */
async function makeTokens(service: ScriptedService, count: number): Promise<string[]> {
  const tokens: string[] = [];
  const controllerTime = new Date().toISOString();
  const baseline = {
    pwdLastSet: '1',
    lockoutTime: '0',
    controller: 'dc1.corp.test',
    controllerTime,
  };
  for (let i = 1; i <= count; i++) {
    const guid = `00000000-0000-4000-8000-${i.toString(16).padStart(12, '0')}`;
    const claims = await resetClaims(service, guid, baseline);
    // Signed ahead of the run, so given for a moment that is still to come.
    claims.monotonicMs += TOKEN_LIFETIME_S * 1000;
    tokens.push(await signToken('command', claims, service.keys.signing));
  }
  return tokens;
}

/** A number counts only for work that was done: each outcome is the agent's, and each write was made. */
async function allApplied(
  service: ScriptedService,
  outcomes: readonly string[],
  writes: number,
): Promise<void> {
  if (service.agent === undefined) throw new Error('no agent has enrolled');
  for (const outcome of outcomes) {
    const claims = await verifyToken('outcome', outcome, {
      key: service.agent.key,
      now: Date.now(),
    });
    if (claims.outcome.code !== 'APPLIED') throw new Error(`an outcome is ${claims.outcome.code}`);
  }
  if (writes !== outcomes.length)
    throw new Error(`${writes} writes for ${outcomes.length} outcomes`);
}

async function runBaseline(
  service: ScriptedService,
  stateFolder: string,
  tokens: readonly string[],
): Promise<{ seconds: number; cpuUs: number }> {
  const state = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(stateFolder, name), 'utf8'));
  const sealing = (await state('sealing-keys.json')) as { keys: [{ private: JWK }] };
  const input: BaselineInput = {
    journal: join(stateFolder, '..', 'baseline.jsonl'),
    issuer: service.url,
    directory: service.directory,
    agent: service.agent?.id ?? '',
    service: service.keys.signing.jwk,
    sealing: sealing.keys[0].private,
    device: (await state('device-key.json')) as JWK,
    tokens,
    warmUp: WARM_UP,
    atOnce: AT_ONCE,
  };
  const file = join(stateFolder, '..', 'baseline.json');
  await writeFile(file, JSON.stringify(input));
  const child = startPinned('baseline-child.js', [file]);
  try {
    await once(child, 'message');
    return await ask<{ seconds: number; cpuUs: number }>(child, 'run');
  } finally {
    child.kill('SIGKILL');
  }
}
