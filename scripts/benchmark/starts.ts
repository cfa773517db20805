import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { ScriptedService } from '../../test/support/scripted-service.ts';
import { createTestCa } from '../../test/support/test-ca.ts';
import { temporaryFolder } from '../../test/support/temporary-folder.ts';
import { spread } from './statistics.ts';

const run = promisify(execFile);

const ROUNDS = 9;

/** Milliseconds from the start of a process whose files have been read before, median of some. */
export interface Starts {
  /** Of the agent, until its service welcomes it. */
  readonly linkedMs: number;
  /** Of `passback version`, for comparison. */
  readonly versionMs: number;
  /** Of the service, until it listens; absent where there is no bundle of it. */
  readonly servesMs?: number;
}

/** The folders of the bundles. */
export interface Bundles {
  readonly agent: string;
  readonly service?: string;
}

/** Starts the programs of bundles again and again, the agent beside a service on this machine. */
export async function measureStarts({ agent, service }: Bundles): Promise<Starts> {
  const starts = await agentStarts(join(agent, 'passback'));
  if (service === undefined) return starts;
  return { ...starts, servesMs: await serviceStarts(join(service, 'passback-cloud')) };
}

async function serviceStarts(program: string): Promise<number> {
  await using folder = await temporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  const { cert, key } = await (await createTestCa()).issue(['127.0.0.1']);
  await writeFile(at('cert.pem'), cert);
  await writeFile(at('key.pem'), key, { mode: 0o600 });
  const place = ['--host', '127.0.0.1', '--port', '0', '--cert', at('cert.pem')];
  const data = ['--data', at('data')];
  const init = ['init', '--url', 'https://127.0.0.1', ...data, ...place, '--key', at('key.pem')];
  await run(program, init);
  const serves: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    serves.push(await untilSaid(program, ['serve', ...data], '"event":"cloud.started"'));
  }
  return spread(serves).median;
}

async function agentStarts(program: string): Promise<Starts> {
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
    linked.push(await untilSaid(program, ['run', ...config], '"event":"link.up"'));
    const began = performance.now();
    await run(program, ['version']);
    version.push(performance.now() - began);
  }
  return { linkedMs: spread(linked).median, versionMs: spread(version).median };
}

async function untilSaid(program: string, args: readonly string[], what: string): Promise<number> {
  const began = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  try {
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      for await (const line of createInterface(stream)) {
        if (line.includes(what)) return performance.now() - began;
        said += `${line}\n`;
      }
    }
    throw new Error(`${program} ended before it said ${what}:\n${said}`);
  } finally {
    child.kill('SIGTERM');
    child.stdout.resume();
    child.stderr.resume();
    await ended;
  }
}
