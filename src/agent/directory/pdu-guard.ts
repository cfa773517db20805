/** LDAP messages are BER sequences. */
const SEQUENCE = 0x30;

/**
 * Follows the frames of an LDAP stream without keeping their content, and tells when a peer sends
 * what is none or announces more than `maxBytes`: the parser behind it would wait for ever, or
 * buffer whatever it is told to.
 */
export class PduGuard {
  readonly #maxBytes: number;
  /** The first bytes of a frame, until its length is known. */
  #header: number[] = [];
  #remaining = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What is wrong with the stream so far; undefined while nothing is. */
  feed(chunk: Buffer): string | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.#remaining > 0) {
        const skipped = Math.min(this.#remaining, chunk.length - at);
        this.#remaining -= skipped;
        at += skipped;
        continue;
      }
      this.#header.push(chunk[at] ?? 0);
      at += 1;
      const problem = this.#readHeader();
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  #readHeader(): string | undefined {
    const [tag, first, ...rest] = this.#header;
    if (tag !== SEQUENCE) return 'it sent something that is not LDAP';
    if (first === undefined) return undefined;
    const lengthBytes = first < 0x80 ? 0 : first - 0x80;
    // RFC 4511 section 5.1 allows the definite form only; five bytes and more are beyond any cap.
    if (first === 0x80 || lengthBytes > 4) return 'it sent something that is not LDAP';
    if (rest.length < lengthBytes) return undefined;
    const length = lengthBytes === 0 ? first : rest.reduce((sum, byte) => sum * 256 + byte, 0);
    if (length > this.#maxBytes) return `it announced a message of ${length} bytes`;
    this.#remaining = length;
    this.#header = [];
    return undefined;
  }
}
