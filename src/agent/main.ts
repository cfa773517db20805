#!/usr/bin/env node
import { allWritten } from '../support/all-written.ts';
import { confirmOn } from '../support/confirm.ts';
import { stopSignals } from '../support/stop-signals.ts';
import { runProgram } from './cli/program.ts';

// Whoever read our output has gone; that must not stop a running agent.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

await runProgram(process.argv.slice(2), {
  env: process.env,
  colours: process.stdout.isTTY && (process.env.NO_COLOR ?? '') === '',
  print: (text) => process.stdout.write(`${text}\n`),
  complain: (text) => process.stderr.write(`${text}\n`),
  setExitCode: (code) => {
    process.exitCode = code;
  },
  confirm: process.stdin.isTTY
    ? (question) => confirmOn(process.stdin, process.stderr, question)
    : undefined,
  stopSignals: (drainMs) => stopSignals(process, drainMs),
});

// Left to end by itself, Node may spin for ever while it takes itself apart (nodejs/node#47748).
await allWritten(process.stdout, process.stderr);
process.exit();
