import type { Fault } from '../errors.ts';

/** Numbers of winerror.h that this program acts on. */
export const ERROR = {
  fileNotFound: 2,
  pathNotFound: 3,
  accessDenied: 5,
  invalidLevel: 124,
  serviceNotRunning: 1062,
  noSuchService: 1060,
  serviceSpecific: 1066,
} as const;

const SENTENCES: Readonly<Partial<Record<number, string>>> = {
  2: 'it does not exist',
  3: 'its folder does not exist',
  5: 'access is denied: open PowerShell with “Run as administrator” and try again there',
  13: 'Windows cannot open it: it was changed, or made on another machine or for another account',
  32: 'another program has it open',
  1053: 'the service did not answer in time: its log and the Event Log say why',
  1057: 'there is no such account, or its password is wrong',
  1060: 'there is no such service',
  1062: 'the service does not run',
  1069: 'the account of the service cannot log on: is its password right, and may it log on as a service?',
  1072: 'it is being removed: close services.msc and whatever else shows it, then try again',
  1073: 'a service of this name exists already',
  1307: 'only administrators can give it to administrators: open PowerShell with “Run as administrator” and try again there',
  1332: 'there is no account of this name',
  1337: 'this is no account',
};

/** A call into Windows failed: the message says which, why and what to do. */
export class WindowsError extends Error implements Fault {
  override readonly name = 'WindowsError';
  readonly code = 'WINDOWS';
  readonly retryable = false;
  /** Of winerror.h; absent where Windows was not even asked. */
  readonly number: number | undefined;

  constructor(what: string, number?: number, options?: ErrorOptions) {
    super(number === undefined ? what : `${what}: ${sentence(number)}`, options);
    this.number = number;
  }
}

function sentence(number: number): string {
  return SENTENCES[number] ?? `Windows says error ${number} (net helpmsg ${number})`;
}
