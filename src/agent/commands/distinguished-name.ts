/** One relative distinguished name per element, nearest to the root last, in one spelling. */
type Components = readonly string[];

/**
 * Whether `dn` lies below `base` (or is it). Both are compared as RFC 4514 says, not as text:
 * escapes, spaces around separators and letter case make no difference.
 */
export function isBelow(dn: string, base: string): boolean {
  const inner = components(dn);
  const outer = components(base);
  if (outer.length === 0 || inner.length < outer.length) return false;
  return outer.every((component, i) => component === inner[inner.length - outer.length + i]);
}

function components(dn: string): Components {
  return splitUnescaped(dn, ',')
    .map((rdn) => splitUnescaped(rdn, '+').map(normalise).sort().join('+'))
    .filter((rdn) => rdn !== '');
}

function normalise(attribute: string): string {
  const [type = '', ...rest] = splitUnescaped(attribute, '=');
  const value = unescape(rest.join('=').trim());
  // `=` cannot stand in a type, so the two parts stay apart whatever the value holds.
  return type.trim() === ''
    ? ''
    : `${type.trim().toLowerCase()}=${value.normalize('NFC').toLowerCase()}`;
}

function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text.charAt(i) === '\\') {
      i++; // whatever is escaped separates nothing
    } else if (text.charAt(i) === separator) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}

/** `\C3\BC` are UTF-8 bytes, `\,` is the character itself (RFC 4514 section 3). */
function unescape(value: string): string {
  return value.replace(
    /(?:\\[0-9a-f]{2})+|\\(.)/gi,
    (match, char?: string) => char ?? Buffer.from(match.replaceAll('\\', ''), 'hex').toString(),
  );
}
