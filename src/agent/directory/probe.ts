import type { ControllerHealth } from '../../protocol/status.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { messageOf } from '../../support/errors.ts';
import { askTwice } from './ask-in-turn.ts';
import { ConnectionError } from './connection-error.ts';
import type { ControllerClocks } from './controller-clocks.ts';
import type { Controller } from './controller.ts';
import { within, type Limit } from './deadline.ts';
import { requireSuitable } from './suitable.ts';

/** So long before the certificate expires somebody should know. */
const RENEW_MS = 30 * 86_400_000;

const MAX_PROBLEM_LENGTH = 512;

/** How a controller fares, found by asking it now. Never rejects. */
export async function probeController(
  controller: Controller,
  clocks: ControllerClocks,
  limit: Limit,
): Promise<ControllerHealth> {
  const giveUp = new AbortController();
  const late = (): Error =>
    new ConnectionError('connect', `${controller.name}: no answer within ${limit.ms} ms`);
  try {
    const asked = askTwice(controller, () => ask({ controller, clocks }, limit, giveUp.signal));
    return await within(asked, limit, late);
  } catch (error) {
    const stage = error instanceof ConnectionError ? error.stage : 'bind';
    return {
      name: controller.name,
      reachable: stage !== 'connect',
      // One that takes the bind and answers no question can be used for nothing either.
      bound: false,
      problem: printable(messageOf(error)),
    };
  } finally {
    giveUp.abort();
  }
}

function ask(
  { controller, clocks }: { readonly controller: Controller; readonly clocks: ControllerClocks },
  { ms, clock }: Limit,
  signal: AbortSignal,
): Promise<ControllerHealth> {
  return controller.use(
    'read',
    async (connection) => {
      const started = clock.monotonic();
      const asking = { connection, controller: controller.name, ms, signal };
      const profile = await controller.facts.profileNow(asking);
      requireSuitable(controller.name, profile);
      const latencyMs = Math.round((clock.monotonic() - started) * 10) / 10;
      const clockOffsetMs = profile.currentTimeMs - clock.now();
      // What was written on it bears its time, and may have to be dated once it is gone.
      await controller.facts.identify(asking, profile, clocks);
      const { certificateExpiresAt: expiresAt } = connection;
      const problem = expiryProblem(expiresAt, clock.now());
      return {
        name: controller.name,
        reachable: true,
        bound: true,
        policyHints: profile.policyHints !== undefined,
        latencyMs,
        clockOffsetMs,
        ...(expiresAt !== undefined && { certificateExpiresAt: timestamp(expiresAt) }),
        ...(problem !== undefined && { problem }),
      };
    },
    signal,
  );
}

function expiryProblem(expiresAt: number | undefined, now: number): string | undefined {
  if (expiresAt === undefined || expiresAt - now > RENEW_MS) return undefined;
  return `its certificate expires on ${timestamp(expiresAt).slice(0, 10)}: renew it`;
}

/** As the protocol takes it. */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}+/gu, ' ').slice(0, MAX_PROBLEM_LENGTH);
}
