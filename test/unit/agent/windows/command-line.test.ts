import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commandLine, configIn } from '../../../../src/agent/windows/command-line.ts';

/** CommandLineToArgvW, as “Parsing C++ command-line arguments” of Microsoft's documentation describes it. */
function takeApart(line: string): string[] {
  const words: string[] = [];
  let at = 0;
  while (at < line.length) {
    while (line[at] === ' ') at += 1;
    let word = '';
    let isQuoted = false;
    while (at < line.length && (isQuoted || line[at] !== ' ')) {
      const [slashes = ''] = /^\\*/.exec(line.slice(at)) ?? [];
      at += slashes.length;
      if (line[at] !== '"') word += slashes;
      else {
        word += '\\'.repeat(Math.floor(slashes.length / 2));
        if (slashes.length % 2 === 1) word += '"';
        else isQuoted = !isQuoted;
        at += 1;
        continue;
      }
      if (slashes !== '') continue;
      word += line[at] ?? '';
      at += 1;
    }
    words.push(word);
  }
  return words;
}

test('a path with spaces is one word', () => {
  expect(commandLine(['C:\\Program Files\\Passback\\node.exe', 'run'])).toBe(
    '"C:\\Program Files\\Passback\\node.exe" run',
  );
});

test('a folder that ends in a backslash does not swallow what follows', () => {
  expect(takeApart(commandLine(['C:\\Program Files\\', 'run']))).toEqual([
    'C:\\Program Files\\',
    'run',
  ]);
});

test('whatever the words are, Windows takes the line apart into them again', () => {
  const word = fc.string({ unit: fc.constantFrom('a', ' ', '"', '\\', 'ü'), maxLength: 12 });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (words) => {
      expect(takeApart(commandLine(words))).toEqual(words);
    }),
  );
});

test.each([
  'C:\\ProgramData\\Passback\\passback.yaml',
  'D:\\Über uns\\a --config b.yaml',
  '\\\\server\\share\\passback.yaml',
])('the configuration file %s is found again in the command line of its service', (config) => {
  const program = [
    'C:\\Program Files\\Passback\\node.exe',
    'C:\\Program Files\\Passback\\passback.js',
  ];
  expect(
    configIn(commandLine([...program, 'run', '--service', 'passback', '--config', config])),
  ).toBe(config);
});

test('a command line without a configuration file has none', () => {
  expect(configIn('node.exe passback.js run --service passback')).toBeUndefined();
});
