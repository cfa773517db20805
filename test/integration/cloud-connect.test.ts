import { expect, test } from 'vitest';
import { CONNECT_PATH, SUBPROTOCOL } from '../../src/protocol/messages.ts';
import { breakDatabase } from '../support/break-database.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud } from '../support/start-cloud.ts';

test('an agent that dials while the database fails is asked to come back, and let in when it works again', async () => {
  await using cloud = await startTestCloud();
  await using agent = await ScriptedAgent.create(cloud);
  await agent.join();
  const broken = breakDatabase(cloud.folder.database);
  const headers = {
    ...{ connection: 'Upgrade', upgrade: 'websocket' },
    ...{ 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' },
    'sec-websocket-protocol': SUBPROTOCOL,
    authorization: `Bearer ${await agent.connectToken()}`,
  };
  const answer = await cloud.call('GET', CONNECT_PATH, { headers, key: '' });
  expect(answer).toMatchObject({ status: 503, body: { code: 'NOT_READY' } });
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  expect(cloud.log.of('cloud.request_failed').at(-1)).toMatchObject({
    level: 'error',
    fields: { path: '/v1/connect', problem: expect.stringContaining('store: ') as unknown },
  });
  broken[Symbol.dispose]();
  await agent.connect();
});
