import { parentPort, workerData } from 'node:worker_threads';
import { openEventSource } from '../../support/windows/event-source.ts';
import { loadNative } from '../../support/windows/native.ts';
import { endSilent } from './end-silent.ts';
import { ServiceDialogue } from './service-dialogue.ts';
import type { DialogueData, ToDialogue } from './service-messages.ts';

// The entry of the thread that speaks to the service control manager; a bundle keeps it as a file of its own.
const port = parentPort;
if (port === null) throw new Error('this file is the entry of a thread, not of a process');

const native = await loadNative();
// Opened while all is well: opening may hang, and has no limit.
const source = openEventSource(native);
const dialogue = new ServiceDialogue(native, {
  ...(workerData as DialogueData),
  tell: (message) => {
    port.postMessage(message);
  },
  onSilence: () => {
    void endSilent(source, () => process.kill(process.pid, 'SIGKILL')); // TerminateProcess on Windows
  },
});
port.on('message', (message: ToDialogue) => {
  dialogue.apply(message);
});
dialogue.start();
