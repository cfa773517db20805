import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  isBelow,
  mayBeBelow,
  parseDistinguishedName,
} from '../../../../../src/agent/commands/guard/distinguished-name.ts';

test.each([
  ['CN=Ann,OU=People,DC=corp,DC=test', 'OU=People,DC=corp,DC=test', true],
  ['CN=Ann,OU=Sales,OU=People,DC=corp,DC=test', 'ou=people, dc=corp, dc=test', true],
  ['OU=People,DC=corp,DC=test', 'OU=People,DC=corp,DC=test', true],
  ['CN=Smith\\, Ann,OU=People,DC=corp,DC=test', 'OU=People,DC=corp,DC=test', true],
  ['CN=Ann,OU=M\\C3\\BCnchen,DC=corp,DC=test', 'OU=München,DC=corp,DC=test', true],
  ['CN=Ann,OU=A\\,B,DC=corp', 'OU=A\\2cB,DC=corp', true],
  ['CN=Ann,OU=Sales Team ,DC=corp', 'OU=Sales Team,DC=corp', true],
  ['CN=Ann,OU=Sales Team + L=Far Away ,DC=corp ', 'L=Far Away+OU=Sales Team,DC=corp', true],
  ['CN=Ann,OU=NotPeople,DC=corp,DC=test', 'OU=People,DC=corp,DC=test', false],
  ['CN=x\\,OU=People\\,DC=corp\\,DC=test,DC=evil', 'OU=People,DC=corp,DC=test', false],
  ['CN=Ann,OU=x\\,OU=People,DC=corp,DC=test', 'OU=People,DC=corp,DC=test', false],
  ['DC=corp,DC=test', 'OU=People,DC=corp,DC=test', false],
  ['CN=Ann,OU=People,DC=corp,DC=test', '', false],
  ['CN=Ann,OU=People,DC=corp,DC=test', ' , ', false],
])('%s below %s: %s', (dn, base, expected) => {
  expect(isBelow(dn, base)).toBe(expected);
});

test.each([
  ['CN=Ann,OU=People\\ ,DC=corp', 'OU=People,DC=corp', 'an escaped space at the end'],
  ['CN=Ann,OU=People\\5C,DC=corp', 'OU=People\\ ,DC=corp', 'a backslash is no space'],
  ['CN=Ann,OU=Реople,DC=corp', 'OU=People,DC=corp', 'a letter of another script'],
  ['CN=Ann,OU=Ｐeople,DC=corp', 'OU=People,DC=corp', 'a letter of another width'],
  ['CN=Ann,OU=Péople,DC=corp', 'OU=People,DC=corp', 'an accent'],
  ['CN=Ann,OU=Peo\\00ple,DC=corp', 'OU=Peo,DC=corp', 'a zero byte'],
  ['CN=Ann,CN=People,DC=corp', 'OU=People,DC=corp', 'a container of the same name'],
  ['CN=Ann,O=UPeople,DC=corp', 'OU=People,DC=corp', 'another type whose value goes on with it'],
  ['CN=Ann,OU=\\EF\\BB\\BFPeople,DC=corp', 'OU=People,DC=corp', 'a byte order mark'],
  ['CN=Ann,OU=\\FF,DC=corp', 'OU=\\FE,DC=corp', 'two bytes that are no text'],
  ['CN=Ann,OU=People\\+OU=x,DC=corp', 'OU=People+OU=x,DC=corp', 'an escaped separator'],
  ['CN=Ann,OU=a\\=b,DC=corp', 'OU\\=a=b,DC=corp', 'an escaped equals sign'],
  ['CN=Ann,OU=People,DC=corp', 'OU=People,DC=cor', 'a shorter name'],
  ['CN=Ann,,OU=People,DC=corp', 'OU=People,DC=corp', 'an empty part'],
  ['CN=Ann,OU=People,DC=corp,', 'OU=People,DC=corp', 'an empty end'],
  ['CN=Ann;OU=People;DC=corp', 'OU=People,DC=corp', 'another separator'],
  ['CN=Ann,OU="People",DC=corp', 'OU=People,DC=corp', 'quotes'],
  ['CN=Ann,OU=#04024869,DC=corp', 'OU=#04024869,DC=corp', 'a value in BER'],
])('%j is not surely below %j: %s', (dn, base) => {
  expect(isBelow(dn, base)).toBe(false);
});

test.each([
  ['CN=Ann,OU=VIP,DC=corp', 'OU=VÍP,DC=corp', 'an accent'],
  ['CN=Ann,OU=ＶＩＰ,DC=corp', 'OU=VIP,DC=corp', 'another width'],
  ['CN=Ann,OU=V  I P ,DC=corp', 'OU=V I P,DC=corp', 'spaces'],
  ['CN=Ann,OU=アイ,DC=corp', 'OU=あい,DC=corp', 'another kana'],
  ['CN=Ann,OU=VIP,DC=corp', 'nonsense', 'a base that cannot be read'],
  ['nonsense', 'OU=VIP,DC=corp', 'a name that cannot be read'],
])('%j may be below %j: %s', (dn, base) => {
  expect(mayBeBelow(dn, base)).toBe(true);
});

test.each([
  ['CN=Ann,OU=VIPs,DC=corp', 'OU=VIP,DC=corp'],
  ['CN=Ann,CN=VIP,DC=corp', 'OU=VIP,DC=corp'],
  ['OU=VIP,DC=corp', 'CN=Ann,OU=VIP,DC=corp'],
])('%j is surely not below %j', (dn, base) => {
  expect(mayBeBelow(dn, base)).toBe(false);
});

/** A value as people and directories have it: anything but control characters and lone surrogates. */
const value = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
  .filter((text) => text.trim() !== '' && /^[^\p{Cc}\p{Cs}]+$/u.test(text));

const parts = fc.array(fc.tuple(fc.constantFrom('CN', 'OU', 'DC'), value), {
  minLength: 1,
  maxLength: 4,
});

/** As RFC 4514 section 2.4 lets it be written: each character as itself, escaped, or as bytes. */
function written(text: string, style: number): string {
  return Array.from(text)
    .map((char, i, all) => {
      if ((style + i) % 3 === 0) {
        const bytes = Buffer.from(char).toString('hex').match(/../g) ?? [];
        return bytes.map((byte) => `\\${byte}`).join('');
      }
      const edge = (i === 0 && /[ #]/.test(char)) || (i === all.length - 1 && char === ' ');
      return edge || /["+,;<=>\\]/.test(char) ? `\\${char}` : char;
    })
    .join('');
}

function nameOf(of: readonly (readonly [string, string])[], style: number): string {
  return of.map(([type, text]) => `${type}=${written(text, style)}`).join(',');
}

test('a name reads as what was written, however it was escaped', () => {
  fc.assert(
    fc.property(parts, fc.nat(2), (of, style) => {
      const read = parseDistinguishedName(nameOf(of, style));
      expect(read).toEqual(of.map(([type, text]) => [{ type: type.toLowerCase(), value: text }]));
    }),
  );
});

test('a name is below each of its ends and below nothing that differs in one part', () => {
  fc.assert(
    fc.property(parts, value, fc.nat(2), fc.nat(2), (of, other, one, two) => {
      const dn = nameOf([['CN', 'ann'], ...of], one);
      expect(isBelow(dn, nameOf(of, two))).toBe(true);
      expect(mayBeBelow(dn, nameOf(of, two))).toBe(true);
      const [[type, text] = ['OU', ''], ...rest] = of;
      fc.pre(text.normalize('NFC').toLowerCase() !== other.normalize('NFC').toLowerCase());
      expect(isBelow(dn, nameOf([[type, other], ...rest], two))).toBe(false);
    }),
  );
});

test('what is surely below is never surely outside', () => {
  const any = fc.string({ unit: fc.constantFrom(...Array.from('aA,=+\\ ;"#C3é')), maxLength: 12 });
  fc.assert(
    fc.property(any, any, (dn, base) => {
      if (isBelow(dn, base)) expect(mayBeBelow(dn, base)).toBe(true);
    }),
  );
});

test.each([
  ['CN=Ann,OU=People,DC=corp', 'OU=People  , DC=corp', 'spaces before a separator'],
  ['CN=Ann,OU=Mu\u0308nchen,DC=corp', 'OU=M\u00fcnchen,DC=corp', 'another composition'],
  ['CN=Ann,CN=a+OU=b,DC=corp', 'OU=b+CN=a,DC=corp', 'another order in one part'],
])('%j is below %j: %s', (dn, base) => {
  expect(isBelow(dn, base)).toBe(true);
});

test('a space before an escape belongs to the value, and a part without a value is no name', () => {
  expect(parseDistinguishedName('OU=a \\,b')).toEqual([[{ type: 'ou', value: 'a ,b' }]]);
  expect(parseDistinguishedName('OU=,DC=corp')).toBeUndefined();
});
