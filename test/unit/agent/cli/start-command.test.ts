import { expect, test } from 'vitest';
import { startCommand } from '../../../../src/agent/cli/start-command.ts';

const PACKAGED = '/etc/passback/passback.yaml';
const BOOTED = ['/run/systemd/system', '/usr/lib/systemd/system/passback.service'];

test.each([
  ['a machine with the package', PACKAGED, BOOTED, 'systemctl enable --now passback'],
  ['another configuration there', './passback.yaml', BOOTED, 'passback run'],
  ['the environment alone there', undefined, BOOTED, 'passback run'],
  ['a container with the package', PACKAGED, BOOTED.slice(1), 'passback run'],
  ['a machine without the unit', PACKAGED, BOOTED.slice(0, 1), 'passback run'],
])('on %s the agent is started accordingly', (_, config, there, command) => {
  expect(startCommand(config, 'passback run', (path) => there.includes(path))).toBe(command);
});
