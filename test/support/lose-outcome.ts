import { expect } from 'vitest';
import { prepareOperation, submitOperation } from './cloud-operation.ts';
import { eventually } from './eventually.ts';
import type { ScriptedAgent } from './scripted-agent.ts';
import type { TestCloud } from './start-cloud.ts';

/**
 * Has an agent refuse one operation without anybody hearing of it, then carry it out. Resolves with
 * the signed refusal that was lost.
 */
export async function loseOutcome(cloud: TestCloud, agent: ScriptedAgent): Promise<string> {
  let lost = '';
  agent.onCommand = async (command) => {
    if (lost !== '') return 'APPLIED';
    lost = await agent.outcome(command, 'BUSY');
    void agent.cut().then(() => eventually(() => agent.connect()));
    return undefined;
  };
  const prepared = await prepareOperation(cloud);
  expect((await submitOperation(cloud, prepared)).body.status).toBe('applied');
  return lost;
}
