/** Epoch milliseconds of an LDAP GeneralizedTime in UTC (RFC 4517 section 3.3.13); undefined when it is none. */
export function fromGeneralizedTime(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:[.,](\d{1,3})\d*)?Z$/.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = match
    .slice(1, 7)
    .map(Number);
  const milliseconds = Number((match[7] ?? '').padEnd(3, '0'));
  return Date.UTC(year, month - 1, day, hours, minutes, seconds, milliseconds);
}
