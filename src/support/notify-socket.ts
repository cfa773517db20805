/** Hands one datagram over; false when it did not get through. Never waits, never throws. */
export type Send = (text: string) => boolean;

/** Of Linux on every architecture that Node runs on but MIPS. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2_000_000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** sizeof(sun_path), unix(7). */
const MOST_PATH_BYTES = 108;

/**
 * Opens a socket for datagrams to a Unix address: a path, or `@` and an abstract name. Node has none,
 * and a program started for it would be another sender than the one that systemd listens to; so this
 * is three calls of libc's, loaded only here. Rejects where that cannot be.
 */
export async function openNotifySocket(address: string): Promise<Send> {
  const name = sockaddr(address);
  const { default: koffi } = await import('koffi');
  const libc = koffi.load(null);
  const socket = libc.func('int socket(int domain, int type, int protocol)');
  const sendto = libc.func(
    'intptr_t sendto(int fd, const uint8_t *text, size_t length, int flags, const uint8_t *name, uint32_t size)',
  );
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) as number;
  if (fd < 0) throw new Error(`no socket for ${address}: error ${koffi.errno()}`);
  return (text) => {
    const bytes = Buffer.from(text);
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const sent = sendto(fd, bytes, bytes.length, flags, name, name.length) as number | bigint;
    return Number(sent) === bytes.length;
  };
}

/** A struct sockaddr_un; an abstract name begins with NUL and ends where the structure does. */
function sockaddr(address: string): Buffer {
  const isAbstract = address.startsWith('@');
  const path = Buffer.from(isAbstract ? `\0${address.slice(1)}` : `${address}\0`);
  if (path.length > MOST_PATH_BYTES) throw new Error(`${address} is too long for a socket`);
  const family = Buffer.from(new Uint16Array([AF_UNIX]).buffer); // in this machine's own order
  return Buffer.concat([family, path]);
}
