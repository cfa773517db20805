import type { EventName } from '../../src/support/events.ts';

/** Events that are the outcome of an operation: their text is that of their codes. */
export type OutcomeEvent = Extract<EventName, `refusal.${string}`>;

export interface EventText {
  readonly meaning: string;
  readonly action: string;
}

const NOTHING = 'Nothing to do.';

/** What each line of the log means and what to do about it, for the person who has an alert of it. */
export const EVENT_TEXTS: Readonly<Record<Exclude<EventName, OutcomeEvent>, EventText>> = {
  'agent.started': { meaning: 'The agent has begun to dial the service.', action: NOTHING },
  'agent.stopping': {
    meaning: 'The agent was told to stop and finishes what it has begun.',
    action: NOTHING,
  },
  'agent.stopped': {
    meaning: 'The agent has ended.',
    action:
      'Nothing to do if somebody stopped it; else see the line before this one and start it again.',
  },
  'agent.failed': {
    meaning: 'The agent could not start, or came upon a bug and ended.',
    action: 'Do what `error` says and start it again; report one with `where` as a bug.',
  },
  'agent.stuck': {
    meaning:
      'The agent does not get on, as `stuck` says; systemd ends it after 30 s, as it ends itself on Windows unless it stops; it starts again, and nothing is done twice.',
    action: 'Report it as a bug when it repeats, with the lines of the log before it.',
  },
  'agent.state_migrated': {
    meaning: 'The state folder of an older version was brought to the one of this version.',
    action:
      'Nothing to do. An older agent does not start on it any more: to go back, put the folder away and enrol again.',
  },
  'journal.repaired': {
    meaning: 'The last line of the journal was torn, as after a power cut, and was taken off.',
    action: 'Nothing to do. If it repeats without a power cut, test the disk.',
  },
  'journal.failed': {
    meaning: 'The journal cannot be written or read: nothing new is begun.',
    action:
      'Do what `reason` says: see that the disk of the state folder is mounted, writable and sound, and belongs to the account of the agent. Then restart the agent. Do not delete the journal: it knows what was done.',
  },
  'journal.compacted': { meaning: 'Old entries were taken out of the journal.', action: NOTHING },
  'journal.compaction_failed': {
    meaning: 'The journal could not be compacted; it goes on as it is.',
    action:
      'Do what `reason` says, as a rule make room on the disk; it is tried again the next day, within the hour where the journal is large.',
  },
  'journal.full': {
    meaning: 'The disk of the state folder is full: nothing new is begun.',
    action:
      'Make room on the disk of the state folder; the agent goes on by itself within a minute.',
  },
  'journal.recovered': { meaning: 'There is room for the journal again.', action: NOTHING },
  'link.up': { meaning: 'The agent is connected to the service.', action: NOTHING },
  'link.down': {
    meaning: 'The connection has ended; the agent dials again.',
    action:
      'Nothing to do, unless it repeats: then `reason` says who closed it; have proxies and firewalls leave a quiet connection open for a minute.',
  },
  'link.dial_failed': {
    meaning: 'The service could not be reached; tried again, with growing breaks.',
    action:
      'Do what `reason` says: DNS, firewall, proxy (`service.proxy.…`), certificate (`service.caFile`), is it running?',
  },
  'link.rejected': {
    meaning: 'The service does not let this agent in: revoked, too old, or a copied state folder.',
    action:
      'Do what `reason` says: update an agent that is too old; for one that was revoked or whose state folder was copied, see `passback-cloud audit`, then enrol it again with an empty state folder.',
  },
  'link.protocol_error': {
    meaning: 'What came over the link is not the protocol; the connection was closed.',
    action:
      'Nothing to do once. If it repeats, update the older of the two programs, then look for a proxy that alters frames.',
  },
  'link.handler_failed': {
    meaning: 'A bug: a message could not be worked on.',
    action: 'Report it with `where` and the version; the agent goes on. Restart it if it repeats.',
  },
  'session.approved': { meaning: 'The service gives commands to this agent.', action: NOTHING },
  'session.pending': {
    meaning: 'The agent is connected and gets no command before a person has approved it.',
    action:
      'Compare the fingerprint with the one that `passback enroll` printed there, then run `passback-cloud agent approve`.',
  },
  'link.tls_inspected': {
    meaning:
      'Something on the way opens TLS, under a CA that this machine trusts. It reads no password: those are sealed beneath TLS.',
    action:
      'Nothing to do if `issuer` is of your company; else ask who runs the network, and have this host exempted.',
  },
  'writeback.toggled': {
    meaning: 'The service has paused or resumed writeback.',
    action:
      'Nothing to do if you know of it. `passback-cloud status` shows who and why; `passback-cloud resume` ends a pause.',
  },
  'writeback.toggle_ignored': {
    meaning: 'The service offered an older toggle than the agent knows; the newer one holds.',
    action:
      'If the database of the service was restored, run `passback-cloud pause` and `passback-cloud resume` until the version that they print is above `kept`. Else a node with an old database runs: stop it.',
  },
  'writeback.paused_locally': {
    meaning: 'Somebody has paused this agent at its machine.',
    action: 'Run `passback resume` there when `reason` is gone.',
  },
  'writeback.resumed_locally': { meaning: 'The pause at the machine is over.', action: NOTHING },
  'writeback.resumed': {
    meaning: 'A pause that the service had ordered for some time is over.',
    action: NOTHING,
  },
  'writeback.dry_run': {
    meaning: 'The agent rehearses and writes nothing.',
    action:
      'Nothing to do during a rehearsal; to end it set `guard.dryRun` to false and restart the agent.',
  },
  'breaker.tripped': {
    meaning: 'More operations than on any ordinary day: one caller, or everything, is stopped.',
    action:
      'Run `passback-cloud audit` and find what the `actor` did. An attack: `passback-cloud key revoke`, leave the breaker open. A busy day: `passback resume --breaker` on the machine of the agent, and raise `guard.breaker`.',
  },
  'breaker.reset': {
    meaning: 'Somebody has closed the breaker with `passback resume --breaker`.',
    action: NOTHING,
  },
  'breaker.not_kept': {
    meaning: 'The breaker is open but could not be written down; a restart would close it.',
    action:
      'Make the state folder writable (`reason`) before you restart the agent; to keep it stopped meanwhile, run `passback pause`.',
  },
  'keys.rotated': { meaning: 'The agent has a new sealing key, as every day.', action: NOTHING },
  'keys.rotation_failed': {
    meaning: 'The new sealing key could not be made or told; the one before is used on.',
    action: 'Look at `reason`, the disk and the link; it is tried again.',
  },
  'keys.key_set_changed': {
    meaning: 'The service signs with a new key set of the same root.',
    action: 'Nothing to do if you have run `keys rotate` or `keys install`; else find out who has.',
  },
  'keys.key_set_ignored': {
    meaning: 'The service offered an older key set than the agent knows.',
    action:
      'If the key folder of the service was restored from a backup, or a node has an old copy, copy the newest there; if it is lost, run `passback-cloud keys rotate`.',
  },
  'keys.unknown_recipient': {
    meaning: 'A password was also sealed to a key of nobody in `guard.peers`: refused.',
    action:
      'Compare `passback-cloud agent list` with the fingerprints that `passback enroll` printed on each machine. One of yours: add it to `guard.peers`. A stranger: run `passback pause` on the agents, revoke it, and treat the service as taken over.',
  },
  'keys.peer_refused': {
    meaning: 'The key of another agent is not signed by the device in `guard.peers`.',
    action:
      'Compare the fingerprint that `passback enroll` printed on the machine of `peer` with `guard.peers`. Enrolled anew: correct `guard.peers`. Else run `passback pause` on the agents and treat the service as taken over.',
  },
  'directory.up': { meaning: 'A domain controller can be used.', action: NOTHING },
  'directory.down': {
    meaning: 'A domain controller cannot be used; the others are used.',
    action:
      'Do what `problem` says: open port 636, renew or trust the certificate, start the controller. Urgent only when it is the last one: `passback status` lists them.',
  },
  'directory.refused': {
    meaning: "A domain controller's own words for a refusal.",
    action:
      'Nothing to do about this line: that of the operation has the code and what to do. Give `diagnostic` to whoever runs the domain controllers.',
  },
  'directory.credential_rejected': {
    meaning:
      'The service account cannot log on; this password is not tried again for 15 minutes, later for longer.',
    action:
      'Do what `problem` says: unlock or enable the service account, or put the right password into the file of `directory.bind.passwordFile`; another password is tried at once (with our systemd unit: after `systemctl restart passback`).',
  },
  'directory.found': { meaning: 'DNS has named these domain controllers.', action: NOTHING },
  'directory.discovery_problem': {
    meaning: 'DNS names a controller that cannot be taken, or not all of them.',
    action:
      'Do what `reason` says: correct that SRV record of the domain, or list the controllers in `directory.domainControllers`.',
  },
  'directory.discovery_failed': {
    meaning: 'DNS does not name the domain controllers; those known before are used.',
    action:
      'Nothing stops yet. See that this machine asks the DNS of the domain (`nslookup -type=SRV _ldap._tcp.dc._msdcs.DOMAIN`), or list the controllers in `directory.domainControllers`.',
  },
  'directory.self_test_failed': {
    meaning: 'No controller answered when the rights of the service account were looked at.',
    action: 'Nothing to do: `directory.down` says what is wrong, and it is tried again.',
  },
  'status.changed': {
    meaning: 'The state of the agent: running, paused, degraded or down.',
    action: 'Do what `reasons` say; none: nothing to do.',
  },
  'health.listening': {
    meaning: 'Health, metrics and status can be read at `at`, on this machine only.',
    action: NOTHING,
  },
  'health.not_listening': {
    meaning: 'Health, metrics and status cannot be read at `at`; everything else goes on.',
    action:
      'Look at `reason`: another port is `health.port`, 0 is none. It is tried again each minute.',
  },
  'reset.started': { meaning: 'A reset by the person begins.', action: NOTHING },
  'reset.applied': { meaning: 'It was applied.', action: NOTHING },
  'reset.failed': {
    meaning: 'It was not applied.',
    action: 'See its `code` in the table above; `action` in the line is for this one.',
  },
  'change.started': { meaning: 'A change with the old password begins.', action: NOTHING },
  'change.applied': { meaning: 'It was applied.', action: NOTHING },
  'change.failed': {
    meaning: 'It was not applied.',
    action: 'See its `code` in the table above; `action` in the line is for this one.',
  },
  'reset_by_admin.started': { meaning: 'A reset by somebody else begins.', action: NOTHING },
  'reset_by_admin.applied': { meaning: 'It was applied.', action: NOTHING },
  'reset_by_admin.failed': {
    meaning: 'It was not applied.',
    action: 'See its `code` in the table above; `action` in the line is for this one.',
  },
  'unlock.started': { meaning: 'An unlock begins.', action: NOTHING },
  'unlock.applied': { meaning: 'It was applied.', action: NOTHING },
  'unlock.failed': {
    meaning: 'It was not applied.',
    action: 'See its `code` in the table above; `action` in the line is for this one.',
  },
  'account.inspected': { meaning: 'The service has asked about an account.', action: NOTHING },
  'operation.resumed': {
    meaning: 'After a restart or a lost answer: what became of a write is found out.',
    action: NOTHING,
  },
  'operation.unresolved': {
    meaning: 'What became of a write cannot be told yet; the agent goes on trying.',
    action:
      'Bring the domain controller back that it was sent to (`directory.down` names it). If it is gone for good, look at the account, then run `passback-cloud operation close`.',
  },
  'cloud.started': { meaning: 'The service listens.', action: NOTHING },
  'cloud.stopping': { meaning: 'The service was told to stop.', action: NOTHING },
  'cloud.stopped': {
    meaning: 'The service has ended.',
    action:
      'Nothing to do if somebody stopped it; else see the line before this one and start it again.',
  },
  'cloud.failed': {
    meaning: 'The service could not start, or came upon a bug and ended.',
    action: 'Do what `error` says and start it again; report one with `where` as a bug.',
  },
  'cloud.stuck': {
    meaning:
      'The service itself does not get on (`stuck` says what); under systemd it is ended and started again.',
    action: 'Nothing to do once. If it repeats, report it with `stuck` and the version.',
  },
  'cloud.link_up': { meaning: 'An agent has connected.', action: NOTHING },
  'cloud.link_down': {
    meaning: 'The session of an agent has ended, or was ended because it does not answer.',
    action:
      'Nothing to do, unless the agent stays away for minutes: then look on its machine, `passback status`.',
  },
  'cloud.link_refused': {
    meaning: 'Somebody who dialled was not let in.',
    action:
      'Nothing to do about a stranger. For an agent of yours do what `reason` says: correct its clock, update it, or enrol it again when it was revoked or copied.',
  },
  'cloud.link_renewed': { meaning: 'An agent has proven itself anew.', action: NOTHING },
  'cloud.renewal_failed': {
    meaning: 'The database or the keys could not be read for the session of an agent.',
    action:
      'Do what `reason` says: see that the database answers, the disk has room and the data folder is readable. The agent dials again by itself.',
  },
  'cloud.connections_full': {
    meaning: 'As many connections are open as are allowed; the next ones were closed at once.',
    action:
      'See who opens them (`remote`) and block strangers in the firewall. If they are agents and callers of yours, raise `listen.maxConnections` and the limit of open files, or add a node (PostgreSQL).',
  },
  'cloud.connections_turned_away': {
    meaning:
      'So many came at one time that some had waited 6 s without their turn; those were closed and come back by themselves.',
    action:
      'Nothing to do after a restart; if it goes on, look for strangers at `remote`, or add a node (PostgreSQL).',
  },
  'cloud.certificate_changed': {
    meaning: 'The service shows a renewed certificate from now on.',
    action: NOTHING,
  },
  'cloud.certificate_refused': {
    meaning: 'A renewed certificate cannot be used; the one before is still shown.',
    action: 'Do what `reason` says before the old one ends; it is looked at once a minute.',
  },
  'cloud.certificate_expires': {
    meaning:
      'The certificate that the service shows ends within 30 days, or has ended (`error`). Comes at the start and each day.',
    action:
      'Renew it in `listen.certificateFile` and `listen.keyFile`; a running service takes it within a minute, and the warning ends.',
  },
  'cloud.agent_enrolled': {
    meaning: 'A machine has enrolled and waits for approval.',
    action: 'Compare the fingerprint, then `passback-cloud agent approve`, or `agent revoke`.',
  },
  'cloud.enrollment_refused': {
    meaning: 'Somebody tried to enrol with a token that is not good (any more).',
    action:
      'Make a new token with `passback-cloud token` if it was you. If it was nobody of yours, find out who has had an old one; if it repeats from one address, block it.',
  },
  'cloud.agent_approved': { meaning: 'A person has approved an agent.', action: NOTHING },
  'cloud.agent_revoked': { meaning: 'A person has ended an agent for good.', action: NOTHING },
  'cloud.agent_disabled': {
    meaning: 'A person keeps an agent out until it is enabled.',
    action: 'When the reason is gone: `passback-cloud agent enable`.',
  },
  'cloud.agent_enabled': { meaning: 'A person lets a disabled agent in again.', action: NOTHING },
  'cloud.agent_alarm': {
    meaning: 'An agent did what an honest one does not: see Alarms.',
    action:
      'Find the alarm in the table of alarms above and do what it says; revoke the agent if you cannot explain it.',
  },
  'cloud.operation_prepared': { meaning: 'Somebody may submit an operation.', action: NOTHING },
  'cloud.operation_dispatched': { meaning: 'An agent was given an operation.', action: NOTHING },
  'cloud.operation_finished': {
    meaning: 'An operation has an outcome.',
    action:
      'Nothing to do when applied; else see its `code` above, and for one that is `unknown` the section about those.',
  },
  'cloud.writeback_toggled': {
    meaning: 'Somebody has paused or resumed writeback; at warn: an agent did not take it.',
    action:
      '`passback-cloud resume` ends a pause; at warn: the agent hears of it when it reconnects.',
  },
  'cloud.writeback_resumed': {
    meaning: 'A pause that was ordered for some time is over; agents know it by themselves.',
    action: NOTHING,
  },
  'cloud.key_set_expires': {
    meaning: 'The key set ends soon, or (at error) has ended: then agents take no command.',
    action:
      'Run `passback-cloud keys rotate` where the root key is, or `keys draft`, `sign`, `install`, before `expiresAt`.',
  },
  'cloud.key_set_changed': { meaning: 'The service signs with a new key set.', action: NOTHING },
  'cloud.key_set_refused': {
    meaning: 'The key set in the key folder cannot be used; the one before is used on.',
    action:
      'Do what `reason` says, then look for `cloud.key_set_changed`; until then the service goes on with the keys that it has.',
  },
  'cloud.node_joined': {
    meaning: 'This process has joined the others that share the database.',
    action: NOTHING,
  },
  'cloud.node_lost': {
    meaning: 'Another node has given no sign of life for 10 s; its work is taken over.',
    action:
      'Nothing to do if you stopped it. Else see that its process runs and reaches the database, and restart it.',
  },
  'cloud.node_expelled': {
    meaning: 'The others have taken this node for dead; it drops its sessions and joins anew.',
    action:
      'Nothing to do once. If it repeats, see what keeps this node from the database for 10 s: load, a paused machine, the network.',
  },
  'cloud.node_trouble': {
    meaning: 'What nodes do for each other failed: the database did not do it.',
    action: 'Do what `problem` says; it is tried again every 2 s.',
  },
  'cloud.hints_up': { meaning: 'Nodes tell each other at once what happens.', action: NOTHING },
  'cloud.hints_down': {
    meaning:
      'The connection that nodes tell each other by is away: everything takes up to 2 s more.',
    action:
      'Do what `reason` says, as a rule bring the database server back; it is tried again by itself.',
  },
  'cloud.operations_taken_over': {
    meaning: 'Operations of a node that has ended are gone on with here.',
    action: NOTHING,
  },
  'cloud.request_refused': {
    meaning: 'A request came with no key, or with one that is not good.',
    action:
      'Nothing to do once. If it repeats, find the program with the old key (the log of your reverse proxy has its address) and give it a new one, or block it.',
  },
  'cloud.request_failed': {
    meaning: 'The service failed at a request or at its own work: database, disk, or a bug.',
    action:
      'Do what `problem` says: bring database or disk back. With `where` it is a bug: report both; the caller has the `requestId`.',
  },
  'cloud.request_served': { meaning: 'A request was answered.', action: NOTHING },
};
