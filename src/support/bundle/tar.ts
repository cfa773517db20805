const BLOCK = 512;
const MAX_NAME = 100;

/** One file of an archive. */
export interface ArchivedFile {
  /** With slashes, without one in front. */
  readonly name: string;
  readonly content: string;
}

/**
 * An archive in ustar format (POSIX.1-1988), readable by its owner only once unpacked. Throws on a
 * name that the format has no room for.
 */
export function tarArchive(files: readonly ArchivedFile[], modifiedMs: number): Buffer {
  const entries = files.flatMap(({ name, content }) => {
    const bytes = Buffer.from(content, 'utf8');
    const padding = Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK);
    return [header(name, bytes.length, modifiedMs), bytes, padding];
  });
  return Buffer.concat([...entries, Buffer.alloc(2 * BLOCK)]);
}

function header(name: string, size: number, modifiedMs: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(name) > MAX_NAME || !/^[\x21-\x7e]+$/.test(name)) {
    throw new RangeError('tar: a name has 1 to 100 characters of ASCII');
  }
  block.write(name, 0);
  block.write(octal(0o600, 8), 100);
  block.write(octal(0, 8), 108); // owner
  block.write(octal(0, 8), 116); // group
  block.write(octal(size, 12), 124);
  block.write(octal(Math.floor(modifiedMs / 1000), 12), 136);
  block.write(' '.repeat(8), 148); // what the checksum counts for itself
  block.write('0', 156); // a regular file
  block.write('ustar\u000000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148);
  return block;
}

/** As many octal digits as the field has room for before its NUL. */
function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\u0000`;
}
