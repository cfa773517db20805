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

/** Starts the process that simulates them; it does nothing until it is told. */
export async function startFleet(service: MeasuredService): Promise<ChildProcess> {
  const fleet = startMeasured('fleet-child.js', [service.file('fleet.json')]);
  await once(fleet, 'message');
  return fleet;
}

/** Tells the fleet to do something; resolves with its answer. */
export async function tell<T>(fleet: ChildProcess, question: FleetQuestion): Promise<T> {
  const timer = setTimeout(() => fleet.kill('SIGKILL'), ANSWER_WITHIN_MS);
  try {
    return await ask<T>(fleet, question);
  } finally {
    clearTimeout(timer);
  }
}

/** The baseline with the service's own certificate: a bare `wss` server, which listens at the URL. */
export async function startBareServer({
  certificateFile,
  keyFile,
}: MeasuredService): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = startMeasured('bare-server-child.js', [certificateFile, keyFile]);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { child, url: `wss://127.0.0.1:${String(port)}` };
}
