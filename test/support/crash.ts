import { expect } from 'vitest';
import type { CommandClaims } from '../../src/protocol/command.ts';
import type { CommandRig } from './command-rig.ts';
import type { FakeDomain, Mishap } from './fake-domain.ts';

/** Cuts the answer off and takes the agent down before it can find anything out. */
export async function crash(
  { rig, domain }: { readonly rig: CommandRig; readonly domain: FakeDomain },
  claims: CommandClaims,
  mishap: Mishap,
): Promise<void> {
  domain.befall(mishap);
  const apply = domain.apply.bind(domain);
  domain.apply = async (...args) => {
    await apply(...args).catch(() => undefined);
    rig.abort.abort();
    await rig.stop();
    throw new Error('the process is gone');
  };
  await expect(rig.dispatch(claims)).rejects.toThrow();
  domain.apply = apply;
}
