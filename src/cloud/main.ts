#!/usr/bin/env node
import { allWritten } from '../support/all-written.ts';
import { standardInput } from '../support/standard-input.ts';
import { stopSignals } from '../support/stop-signals.ts';
import { askHidden } from '../support/ask-hidden.ts';
import { runProgram } from './cli/program.ts';

// Whoever read our output has gone; that must not stop a running service.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

// Whatever is made here is for the account of the service only.
process.umask(0o077);

await runProgram(process.argv.slice(2), {
  env: process.env,
  isInteractive: process.stdin.isTTY,
  colours: process.stdout.isTTY && (process.env.NO_COLOR ?? '') === '',
  print: (text) => process.stdout.write(`${text}\n`),
  complain: (text) => process.stderr.write(`${text}\n`),
  readInput: standardInput,
  askHidden: (prompt) => askHidden(process.stdin, process.stderr, prompt),
  setExitCode: (code) => {
    process.exitCode = code;
  },
  stopSignals: (drainMs) => stopSignals(process, drainMs),
});

// Left to end by itself, Node may spin for ever while it takes itself apart (nodejs/node#47748).
await allWritten(process.stdout, process.stderr);
process.exit();
