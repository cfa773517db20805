import { bindFailure } from '../../support/bind-failure.ts';
import { failed, passed, skipped, warned, type Finding } from '../../support/checks.ts';
import { messageOf } from '../../support/errors.ts';
import { UsageError } from '../../support/usage-error.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { LocalStatus } from '../health/local-status.ts';
import { lockHolders } from '../identity/state-lock.ts';

/** Asks whatever answers at the control socket for `/status.json`; undefined when nothing listens. */
export type AskStatus = () => Promise<unknown>;

export interface AgentPlace {
  readonly stateFolder: string;
  readonly socket: string;
  /** Of this program. */
  readonly version: string;
  readonly enrolled: boolean;
  /** The command that starts it. */
  readonly run: string;
}

/** Looks whether the port for probes can be opened, unless an agent runs that has it already. */
export async function lookAtHealthPort(
  { host, port }: AgentConfig['health'],
  stateFolder: string,
): Promise<Finding> {
  if (port === 0) return skipped('health.port is 0: there is none');
  const holders = await lockHolders(stateFolder).catch(() => []);
  if (holders.length > 0)
    return skipped('the running agent has opened it, or its log says why not');
  const code = await bindFailure(host, port);
  if (code === undefined) return passed(`${host} port ${port} can be opened`);
  return warned(
    `${host} port ${port} cannot be opened (${code === 'EADDRINUSE' ? 'it is in use' : code}): probes would not reach this agent`,
    'Stop what uses it, or choose another health.port; everything else works without.',
  );
}

/** Looks which process works in the state folder, and which one answers at the socket. */
export async function lookAtAgent(place: AgentPlace, ask: AskStatus): Promise<Finding> {
  const holders = await lockHolders(place.stateFolder).catch(() => []);
  if (holders.length > 1) {
    return failed(
      `${holders.length} agents work in ${place.stateFolder} (processes ${holders.join(', ')})`,
      'Stop all but the one of the service; two of them would do things twice.',
    );
  }
  const [holder] = holders;
  const answer = await answerOf(ask);
  if (answer.type === 'closed') {
    return skipped(`an agent may be running: ${answer.why}`);
  }
  if (answer.type === 'none') return silent(place, holder);
  return answering(answer.status, holder, place);
}

function silent({ stateFolder, socket, enrolled, run }: AgentPlace, holder?: number): Finding {
  if (holder !== undefined) {
    return failed(
      `process ${holder} works in ${stateFolder} and does not answer at ${socket}`,
      'If it was started by hand, stop it; if it is the service, restart it. Until it ends no other agent starts on this folder.',
    );
  }
  if (!enrolled) return skipped('no agent is running, and none is enrolled yet');
  const commands = [{ where: 'here, or by what else runs it as a service', lines: [run] }];
  return warned('no agent is running', 'Start it:', { commands });
}

type Answer =
  | { readonly type: 'none' }
  | { readonly type: 'closed'; readonly why: string }
  | { readonly type: 'status'; readonly status: LocalStatus };

async function answerOf(ask: AskStatus): Promise<Answer> {
  try {
    const said = await ask();
    if (said === undefined) return { type: 'none' };
    const read = LocalStatus.safeParse(said);
    if (read.success) return { type: 'status', status: read.data };
    return { type: 'closed', why: 'what answers at its socket is of another version' };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { type: 'closed', why: messageOf(error) };
  }
}

function answering(
  { build, link, notReady }: LocalStatus,
  holder: number | undefined,
  { socket, stateFolder, version }: AgentPlace,
): Finding {
  const who = `process ${build.pid}, version ${build.version}`;
  if (holder !== undefined && holder !== build.pid) {
    return failed(
      `process ${holder} works in ${stateFolder}, but another agent (${who}) answers at ${socket}`,
      'Stop the one that is not wanted, or give each its own health.socket.',
    );
  }
  if (link.state !== 'ready') {
    const [why = `the link is ${link.state}`] = notReady;
    if (link.state === 'rejected') {
      const cure = 'Do what it says: the service can be reached, and does not let this agent in.';
      return failed(`${who}: ${why}`, cure);
    }
    return failed(`${who}: ${why}`, 'See the way to the reset service below, then its log.');
  }
  if (build.version !== version) {
    return warned(`${who}, while this is ${version}`, 'Restart it to run what is installed.');
  }
  if (notReady.length > 0) {
    const found = `${who}: connected, and would carry out nothing now`;
    return warned(found, 'Do what it says; passback status has the rest.', {
      local: { because: notReady }, // a pause's reason is among them
    });
  }
  return passed(`${who}, connected to ${link.url ?? 'the service'}`);
}
