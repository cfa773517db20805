import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { Attribute, Change } from 'ldapts';
import { z } from 'zod';
import { StatusView } from '../../src/cloud/api/bodies.ts';
import { loadConfig } from '../../src/cloud/config/load-config.ts';
import { dataFolder } from '../../src/cloud/data-folder.ts';
import { openStore } from '../../src/cloud/store/open-store.ts';
import type { DispatchRecord } from '../../src/cloud/store/records.ts';
import type { Store } from '../../src/cloud/store/store.ts';
import { signedHash } from '../../src/protocol/digest.ts';
import { OutcomeClaims } from '../../src/protocol/outcome.ts';
import type { Lab, LabAudit } from '../../test/lab/lab.ts';
import { asAdministrator, type PasswordState } from '../../test/lab/ldaps.ts';
import { STACK_DIRECTORY } from '../../test/support/stack.ts';
import type { Api } from './api.ts';
import { candidates } from './candidates.ts';
import type { AccountEvidence, AgentEvidence, Evidence, Write, WriteEvidence } from './evidence.ts';
import type { CommandHistory } from './history.ts';
import type { WorldAgent } from './world.ts';

const ADMINISTRATOR_RID = '-500';
const AUDIT_PAGE = 500;
const AT_ONCE = 4;

/** Every password written since the start, by the controllers' own logs. */
export async function gatherWrites(lab: Lab): Promise<WriteEvidence> {
  const { writes, unended, unreadable } = await lab.passwordAudit();
  return {
    writes: writes.map(toWrite),
    provenByDatabase: writes.filter(({ provenBy }) => provenBy === 'database').length,
    undecided: unended.map(toWrite),
    unreadable,
  };
}

function toWrite({ sam, at, controller, bySid }: LabAudit['unended'][number]): Write {
  return {
    sam,
    at,
    controller,
    by: bySid.endsWith(ADMINISTRATOR_RID) ? 'rival' : 'service account',
  };
}

/** Tries the passwords that each account may have, after taking note of the rest. */
export async function gatherAccounts(
  lab: Lab,
  histories: readonly CommandHistory[],
  before: ReadonlyMap<string, PasswordState>,
): Promise<readonly AccountEvidence[]> {
  const touched = new Set(histories.map(({ command }) => command.sam));
  const after = await lab.passwordStates();
  const one = async (sam: string): Promise<AccountEvidence> => {
    const own = histories.filter(({ command }) => command.sam === sam);
    const locked = after.get(sam)?.locked ?? false;
    if (locked) await unlock(lab, sam);
    return {
      sam,
      versionBefore: before.get(sam)?.version ?? 0,
      versionAfter: after.get(sam)?.version ?? 0,
      locked,
      logsOnWith: await tryOut(lab, sam, own),
    };
  };
  const all: AccountEvidence[] = [];
  const queue = [...touched];
  const lane = async (): Promise<void> => {
    for (let sam = queue.shift(); sam !== undefined; sam = queue.shift()) all.push(await one(sam));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return all;
}

async function tryOut(lab: Lab, sam: string, own: readonly CommandHistory[]): Promise<number> {
  const { password: initial } = lab.person(sam);
  const possible = candidates(initial, own, lab.controllers.length);
  for (const [index, { password }] of possible.entries()) {
    const answer = await lab.kinit(sam, password);
    if (answer === 'ok' || answer === 'must-change') return index;
    if (index % 3 === 2) await unlock(lab, sam); // wrong ones count towards the lockout
  }
  return -1;
}

async function unlock(lab: Lab, sam: string): Promise<void> {
  const [controller] = lab.controllers;
  if (controller === undefined) return;
  const modification = new Attribute({ type: 'lockoutTime', values: ['0'] });
  await asAdministrator(lab, controller, (client) =>
    client.modify(lab.person(sam).dn, new Change({ operation: 'replace', modification })),
  );
}

/** What the service says of its agents; undefined while it says nothing. */
export async function gatherStatus(admin: Api): Promise<z.infer<typeof StatusView> | undefined> {
  const answer = await admin.call('GET', 'status');
  return answer.kind === 'answer' ? StatusView.safeParse(answer.json).data : undefined;
}

/** Follows an agent's trail through its journal, link by link. */
export async function gatherAgent(
  { id, name, stateFolder }: WorldAgent,
  status: z.infer<typeof StatusView> | undefined,
): Promise<AgentEvidence> {
  const seen = status?.agents.find((agent) => agent.id === id);
  const journal = await readFile(join(stateFolder, 'journal.jsonl'), 'utf8');
  const { brokenLinks, outcomes } = await followTrail(journal);
  return {
    name,
    connected: seen?.connected ?? false,
    state: seen?.report?.state ?? '',
    brokenLinks,
    outcomes,
  };
}

const Signed = z.object({ jws: z.string(), seq: z.int() });

/** Every outcome in a journal has the next number and names the hash of the one before. */
export async function followTrail(
  journal: string,
): Promise<{ readonly brokenLinks: readonly string[]; readonly outcomes: number }> {
  const brokenLinks: string[] = [];
  let last: { seq: number; hash: string } | undefined;
  let outcomes = 0;
  for (const line of journal.split('\n').filter((text) => text !== '')) {
    const parsed = Signed.safeParse(JSON.parse(line.slice(9)));
    if (!parsed.success) continue;
    const { jws, seq } = parsed.data;
    const { chain } = OutcomeClaims.parse(decodeJwt(jws));
    const fits =
      chain?.seq === seq &&
      (last === undefined || (seq === last.seq + 1 && chain.previous === last.hash));
    if (!fits) brokenLinks.push(`outcome ${seq} does not follow ${last?.seq ?? 'the beginning'}`);
    last = { seq, hash: signedHash(jws) };
    outcomes++;
  }
  return { brokenLinks, outcomes };
}

/** What the service's database knows and its API does not tell. No node of it must be running. */
export async function gatherStore(
  cloudData: string,
  histories: readonly CommandHistory[],
): Promise<Pick<Evidence, 'dispatches' | 'lacking' | 'alarms'>> {
  await using store = await storeOf(cloudData);
  const dispatches = new Map<string, readonly DispatchRecord[]>();
  for (const { operation } of histories) {
    if (operation === undefined) continue;
    dispatches.set(operation, await store.operations.dispatches(operation));
  }
  return { dispatches, lacking: await lackingIn(store), alarms: await alarmsOf(store) };
}

/** The same while the service runs: whose trail it has yet to hear the rest of. */
export async function lackingNow(cloudData: string): Promise<readonly string[]> {
  await using store = await storeOf(cloudData);
  return await lackingIn(store);
}

async function storeOf(cloudData: string): Promise<Store> {
  return await openStore(await loadConfig(dataFolder(cloudData).config, {}));
}

async function lackingIn(store: Store): Promise<string[]> {
  const agents = await store.agents.list(STACK_DIRECTORY);
  return agents.flatMap(({ name, trail }) =>
    trail === undefined || trail.seq === trail.seen
      ? []
      : [`${name}: the service has its outcomes up to ${trail.seq} of ${trail.seen}`],
  );
}

async function alarmsOf(store: Store): Promise<string[]> {
  const alarms: string[] = [];
  let before: number | undefined;
  do {
    const { entries, next } = await store.audit.page(STACK_DIRECTORY, AUDIT_PAGE, before);
    for (const { action, target, detail } of entries) {
      if (action === 'agent.alarm') alarms.push(`${target ?? ''}: ${JSON.stringify(detail)}`);
    }
    before = next;
  } while (before !== undefined);
  return alarms;
}
