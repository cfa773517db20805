/**
 * Words as one command line that CommandLineToArgvW takes apart into the same words again: a quote needs
 * a backslash, and so does each backslash right before one.
 */
export function commandLine(words: readonly string[]): string {
  return words.map(quoted).join(' ');
}

/** The configuration file that a service's command line ends with; no path on Windows has a quote. */
export function configIn(line: string): string | undefined {
  const [, quotedPath, path] = / --config (?:"([^"]+)"|([^\s"]+))$/.exec(line.trimEnd()) ?? [];
  return quotedPath ?? path;
}

function quoted(word: string): string {
  if (word !== '' && !/[\s"]/.test(word)) return word;
  const escaped = word.replace(/(\\*)"/g, String.raw`$1$1\"`).replace(/(\\+)$/, '$1$1');
  return `"${escaped}"`;
}
