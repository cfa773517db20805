import koffi from 'koffi';
import { eventually } from './eventually.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

/** What systemd is to a service: a socket for datagrams at a path, or at `@` and an abstract name. */
export class NotifyListener implements Disposable {
  readonly #fd: number;
  readonly #heard: string[] = [];
  readonly #buffer = Buffer.alloc(4096);
  readonly #recv: (...args: readonly unknown[]) => unknown;
  readonly #close: (...args: readonly unknown[]) => unknown;

  constructor(address: string) {
    const libc = koffi.load(null);
    const socket = libc.func('int socket(int domain, int type, int protocol)');
    const bind = libc.func('int bind(int fd, const uint8_t *name, uint32_t size)');
    this.#recv = libc.func('intptr_t recv(int fd, uint8_t *buffer, size_t size, int flags)');
    this.#close = libc.func('int close(int fd)');
    const path = address.startsWith('@') ? `\0${address.slice(1)}` : `${address}\0`;
    const family = Buffer.from(new Uint16Array([AF_UNIX]).buffer);
    const name = Buffer.concat([family, Buffer.from(path)]);
    this.#fd = socket(AF_UNIX, SOCK_DGRAM, 0) as number;
    if (bind(this.#fd, name, name.length) !== 0) throw new Error(`bind: ${koffi.errno()}`);
  }

  /** The next datagram; undefined when there is none (yet). */
  next(): string | undefined {
    const length = Number(this.#recv(this.#fd, this.#buffer, this.#buffer.length, MSG_DONTWAIT));
    return length < 0 ? undefined : this.#buffer.toString('utf8', 0, length);
  }

  /** Resolves once a datagram matches, with all that came so far. */
  async hears(what: RegExp): Promise<readonly string[]> {
    await eventually(() => {
      for (let one = this.next(); one !== undefined; one = this.next()) this.#heard.push(one);
      return this.#heard.some((news) => what.test(news));
    });
    return this.#heard;
  }

  [Symbol.dispose](): void {
    this.#close(this.#fd);
  }
}
