import { settledUsage } from './child.ts';

/** Loaded into the service before its own code: answers what its process uses, and changes nothing else. */
process.on('message', (question) => {
  if (question === 'usage') process.send?.(settledUsage());
});
process.channel?.unref();
