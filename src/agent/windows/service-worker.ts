import { parentPort, workerData } from 'node:worker_threads';
import { loadNative } from '../../support/windows/native.ts';
import { ServiceDialogue } from './service-dialogue.ts';
import type { DialogueData, ToDialogue } from './service-messages.ts';

// The entry of the thread that speaks to the service control manager; a bundle keeps it as a file of its own.
const port = parentPort;
if (port === null) throw new Error('this file is the entry of a thread, not of a process');

const dialogue = new ServiceDialogue(await loadNative(), {
  ...(workerData as DialogueData),
  tell: (message) => {
    port.postMessage(message);
  },
});
port.on('message', (message: ToDialogue) => {
  dialogue.apply(message);
});
dialogue.start();
