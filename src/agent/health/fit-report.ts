import type { ControllerHealth, StatusReport } from '../../protocol/status.ts';
import { isUsable } from './status.ts';

/** How much a report may say on the wire, by the protocol. */
const MAX_REASONS = 16;
const MAX_CONTROLLERS = 64;
/** A frame has 64 KiB, and a report is base64 in it, next to the guard's summary. */
const MAX_CONTROLLER_BYTES = 16 * 1024;
const MAX_PROBLEM_LENGTH = 160;

/** What of a report fits into a frame, the worst first. Nothing may be judged by it. */
export function fitReport(report: StatusReport): StatusReport {
  const { reasons, controllers } = report;
  return {
    ...report,
    reasons: reasons.slice(0, MAX_REASONS),
    controllers: fitControllers(controllers),
  };
}

/** As many as a report can carry, those with a problem first when that is not all. */
function fitControllers(all: readonly ControllerHealth[]): ControllerHealth[] {
  const short = all.map((controller) =>
    controller.problem === undefined
      ? controller
      : { ...controller, problem: controller.problem.slice(0, MAX_PROBLEM_LENGTH) },
  );
  if (short.length <= MAX_CONTROLLERS && sizeOf(short) <= MAX_CONTROLLER_BYTES) return short;
  const worstFirst = short.toSorted((a, b) => Number(isUsable(a)) - Number(isUsable(b)));
  const listed: ControllerHealth[] = [];
  for (const controller of worstFirst.slice(0, MAX_CONTROLLERS)) {
    if (sizeOf([...listed, controller]) > MAX_CONTROLLER_BYTES) break;
    listed.push(controller);
  }
  return listed;
}

function sizeOf(controllers: readonly ControllerHealth[]): number {
  return Buffer.byteLength(JSON.stringify(controllers));
}
