/** A path of the service under its public URL, which may have a path of its own. */
export function serviceUrl(base: string, path: string, scheme: 'https' | 'wss'): URL {
  const url = new URL(base);
  url.protocol = `${scheme}:`;
  url.pathname = url.pathname.replace(/\/+$/, '') + path;
  return url;
}
