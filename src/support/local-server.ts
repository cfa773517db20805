import { createServer, type RequestListener, type Server } from 'node:http';

/** Of a program that scrapes or asks on this machine nothing more is to be expected. */
const LIMITS = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 3_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 2_000,
  connectionsCheckingInterval: 1_000, // without it Node looks at the limits each 30 s
} as const;

/**
 * A server, not listening yet, for a few small questions that have no body. Whoever opens connections and
 * asks nothing loses them within seconds: supervisors need them.
 */
export function localServer(maxConnections: number, listener: RequestListener): Server {
  const server = createServer(LIMITS, listener);
  server.maxConnections = maxConnections;
  return server;
}
