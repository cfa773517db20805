import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { ask, startMeasured } from './child.ts';
import { enrollFleet, type FleetMember } from './fleet.ts';
import type { FleetInput, FleetQuestion } from './fleet-child.ts';
import { MeasuredService } from './measured-service.ts';

/** Far more than all connections take; a fleet that hangs must not hang the benchmark. */
const ANSWER_WITHIN_MS = 300_000;

export interface FleetSize {
  readonly agents: number;
  /** Each is told of all others of its directory when it connects. */
  readonly perDirectory: number;
}

/** A service that is not started yet and knows so many agents, with a file that their simulation reads. */
export async function serviceWithFleet({
  agents,
  perDirectory,
}: FleetSize): Promise<MeasuredService> {
  let members: readonly FleetMember[] = [];
  const service = await MeasuredService.create(async (store) => {
    members = await enrollFleet(store, agents, perDirectory);
  });
  const input: FleetInput = { ca: service.ca, issuer: service.issuer, members };
  await writeFile(service.file('fleet.json'), JSON.stringify(input), { mode: 0o600 });
  return service;
}

/** The process that simulates them; it does nothing until it is told, and ends with its scope. */
export class FleetProcess implements Disposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(service: MeasuredService): Promise<FleetProcess> {
    const child = startMeasured('fleet-child.js', [service.file('fleet.json')]);
    await once(child, 'message');
    return new FleetProcess(child);
  }

  /** Tells it to do something; resolves with its answer. */
  async tell<T>(question: FleetQuestion): Promise<T> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), ANSWER_WITHIN_MS);
    try {
      return await ask<T>(this.#child, question);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves when it is gone, and its connections with it. */
  async end(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

/** The baseline with the service's own certificate: a bare `wss` server, which ends with its scope. */
export class BareServer implements Disposable {
  readonly child: ChildProcess;
  readonly url: string;

  private constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.url = `wss://127.0.0.1:${String(port)}`;
  }

  /** Resolves when it listens. */
  static async start({ certificateFile, keyFile }: MeasuredService): Promise<BareServer> {
    const child = startMeasured('bare-server-child.js', [certificateFile, keyFile]);
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    return new BareServer(child, port);
  }

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
  }
}
