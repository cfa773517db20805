import { join } from 'node:path';
import type { Lab } from '../../test/lab/lab.ts';
import { STACK_DIRECTORY, type Stack } from '../../test/support/stack.ts';

/** Where everything is, and three commands to begin with; each can be pasted as it stands. */
export function thingsToTry(lab: Lab, stack: Stack): string {
  const program = `node ${join(process.cwd(), 'dist/src/cloud/main.js')}`;
  const to = `--url ${stack.url} --key-file ${stack.keyFile} --ca ${stack.caFile} --directory ${STACK_DIRECTORY}`;
  const controllers = lab.controllers.map(
    ({ name, address, port }) => `${name} at ldaps://${address}:${port}`,
  );
  return `
Running until Ctrl-C:
   reset service   ${stack.url}
   CA              ${stack.caFile}
   admin key       ${stack.keyFile}
   agent           ${stack.agentConfigFile}
   controller      ${controllers.join(', ')}
   logs            ${join(stack.folder, 'cloud.log')}, ${join(stack.folder, 'agent.log')}

Three things to try in another terminal:
   Reset somebody (the new password is asked for and sealed before it leaves the terminal):
     ${program} operate reset --account ben@corp.test ${to}
   See how it is connected:
     ${program} status ${to}
   Pause writeback, try the reset again, and resume:
     ${program} pause --reason trying ${to}
     ${program} resume ${to}
`;
}
