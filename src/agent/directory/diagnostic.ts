import type { ResultCodeError } from 'ldapts';

const MAX_LENGTH = 512;

/** What the server said with a result, without control bytes and not longer than a log line needs. */
export function diagnosticOf(error: ResultCodeError): string {
  return error.message
    .replace(/ Code: 0x[0-9a-f]+$/, '') // ldapts adds it
    .replaceAll(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, MAX_LENGTH);
}

/** The Win32 code a diagnostic begins with (MS-ADTS 3.1.1.3.1.9), eight upper-case hex digits. */
export function win32Code(diagnostic: string): string | undefined {
  return /^([0-9a-f]{8}):/i.exec(diagnostic)?.[1]?.toUpperCase();
}

/** What stands after `data` in the diagnostic of a bind, in lower case. */
export function subCode(diagnostic: string): string | undefined {
  return /\bdata ([0-9a-f]{1,8})\b/i.exec(diagnostic)?.[1]?.toLowerCase();
}
