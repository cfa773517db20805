import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { settledUsage } from './child.ts';

/** The least that can hold a `wss` connection open: nobody is asked for anything, nothing is said. */
const [certificate = '', key = ''] = process.argv.slice(2);
const server = createServer({
  cert: await readFile(certificate, 'utf8'),
  key: await readFile(key, 'utf8'),
});
const sockets = new WebSocketServer({ server, clientTracking: false, perMessageDeflate: false });
sockets.on('connection', (socket) => {
  socket.on('error', () => undefined);
});
server.listen(0, '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port }); // it listens on TCP
});
process.on('message', (question) => {
  if (question === 'usage') process.send?.(settledUsage());
});
process.on('disconnect', () => process.exit());
