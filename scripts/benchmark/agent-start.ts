import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { ScriptedService } from '../../test/support/scripted-service.ts';
import { temporaryFolder } from '../../test/support/temporary-folder.ts';
import { spread } from './statistics.ts';

const run = promisify(execFile);

const ROUNDS = 9;

/** Milliseconds from the start of the agent's process, median of some. */
export interface AgentStart {
  /** Until its service welcomes it. */
  readonly linkedMs: number;
  /** Of `passback version`, for comparison. */
  readonly versionMs: number;
}

/** Starts the agent of a bundle again and again, beside a service on this machine. */
export async function measureAgentStart(bundle: string): Promise<AgentStart> {
  const program = join(bundle, 'passback');
  await using folder = await temporaryFolder();
  await using service = await ScriptedService.start();
  const at = (name: string): string => join(folder.path, name);
  await writeFile(at('ca.pem'), service.ca);
  await writeFile(at('bind'), 'no-password', { mode: 0o600 });
  await writeFile(at('token'), service.enrollmentToken());
  const settings = {
    service: { caFile: at('ca.pem'), noProxy: ['*'] },
    directory: {
      domain: 'corp.test',
      // Nobody is there: what a directory takes for its answers is not what a start costs.
      domainControllers: [{ name: 'dc1.corp.test', address: '127.0.0.1', port: 9 }],
      bind: { user: 'svc@corp.test', passwordFile: at('bind') },
    },
    guard: { baseDns: ['OU=People,DC=corp,DC=test'] },
    health: { port: 0 },
    stateFolder: at('state'),
  };
  await writeFile(at('passback.yaml'), stringify(settings));
  const config = ['--config', at('passback.yaml')];
  await run(program, [...['enroll', '--url', service.url, '--token-file', at('token')], ...config]);
  const [linked, version]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    linked.push(await untilLinked(program, config));
    const began = performance.now();
    await run(program, ['version']);
    version.push(performance.now() - began);
  }
  return { linkedMs: spread(linked).median, versionMs: spread(version).median };
}

async function untilLinked(program: string, config: readonly string[]): Promise<number> {
  const began = performance.now();
  const agent = spawn(program, ['run', ...config], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(agent, 'close');
  try {
    let said = '';
    for (const stream of [agent.stdout, agent.stderr]) {
      for await (const line of createInterface(stream)) {
        if (line.includes('"event":"link.up"')) return performance.now() - began;
        said += `${line}\n`;
      }
    }
    throw new Error(`the agent ended before it was linked:\n${said}`);
  } finally {
    agent.kill('SIGTERM');
    agent.stdout.resume();
    agent.stderr.resume();
    await ended;
  }
}
