import type { ReadStream } from 'node:tty';

/** Reads one line from a terminal without showing it. Rejects when the person presses Ctrl-C or Ctrl-D. */
export function askHidden(
  input: ReadStream,
  output: NodeJS.WritableStream,
  prompt: string,
): Promise<string> {
  output.write(prompt);
  input.setRawMode(true);
  input.setEncoding('utf8');
  input.resume();
  return new Promise((resolve, reject) => {
    let line = '';
    const end = (settle: () => void): void => {
      input.setRawMode(false);
      input.pause();
      input.off('data', onData);
      output.write('\n');
      settle();
    };
    const onData = (chunk: Buffer | string): void => {
      for (const character of chunk.toString()) {
        if (character === '\r' || character === '\n') {
          end(() => {
            resolve(line);
          });
          return;
        }
        if (character === '\u0003' || character === '\u0004') {
          end(() => {
            reject(new Error('nothing was typed'));
          });
          return;
        }
        line = edit(line, character);
      }
    };
    input.on('data', onData);
  });
}

function edit(line: string, character: string): string {
  const isErase = character === '\u007f' || character === '\b';
  return isErase ? Array.from(line).slice(0, -1).join('') : line + character;
}
