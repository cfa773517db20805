import { stringify } from 'yaml';
import type { Lab } from '../../test/lab/lab.ts';

/** The `passback.yaml` of an agent on the lab's network, whose files are all in /etc/passback. */
export function agentConfig(lab: Lab): string {
  const [controller] = lab.controllers;
  if (controller === undefined) throw new Error('the lab has no controller');
  return stringify({
    service: { caFile: '/etc/passback/service-ca.pem' },
    directory: {
      domain: lab.domain,
      domainControllers: [{ name: controller.name, address: controller.internalAddress }],
      caFile: '/etc/passback/corp-ca.pem',
      bind: {
        user: lab.serviceAccount.userPrincipalName,
        passwordFile: '/etc/passback/bind-password',
      },
    },
    guard: { baseDns: [lab.delegatedOu] },
  });
}
