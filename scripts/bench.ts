import { parseArgs } from 'node:util';
import { measureAgentAlone } from './benchmark/agent-alone.ts';

const { values } = parseArgs({
  options: {
    commands: { type: 'string', default: '2000' },
    idle: { type: 'string', default: '60' },
  },
});
const result = await measureAgentAlone({
  commands: Number(values.commands),
  idleSeconds: Number(values.idle),
  progress: console.log,
});
console.log(JSON.stringify(result, undefined, 2));
