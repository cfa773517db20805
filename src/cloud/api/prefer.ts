const MAX_WAIT_S = 60;

/** RFC 7240 `wait=N` of a Prefer header, capped; 0 when there is none. */
export function preferredWaitMs(header: string | undefined): number {
  const seconds = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:$|[,;])/i.exec(header ?? '')?.[1];
  return seconds === undefined ? 0 : Math.min(MAX_WAIT_S, Number(seconds)) * 1000;
}
