import type { Command } from 'commander';
import { pointToSystemd, type ServiceVerb } from '../../support/by-systemd.ts';
import type { Terminal } from './terminal.ts';

const VERBS: Readonly<Record<ServiceVerb, string>> = {
  install: 'say how systemd starts the reset service, now and with the machine',
  uninstall: 'say how systemd starts it no more',
  status: 'say how systemd tells whether it runs',
};

/** Adds `service install | uninstall | status`: pointers to what does it, where somebody looks for it. */
export function addServiceCommand(program: Command, terminal: Terminal): void {
  const service = program
    .command('service')
    .description('say how the reset service is made a service of the system');
  for (const [verb, description] of Object.entries(VERBS) as [ServiceVerb, string][]) {
    service
      .command(verb)
      .description(description)
      .option('--json', 'print it as JSON')
      .addHelpText('after', `\nExample:\n  passback-cloud service ${verb}`)
      .action(({ json = false }: { readonly json?: boolean }) => {
        pointToSystemd(terminal, { program: 'passback-cloud', verb, json });
      });
  }
}
