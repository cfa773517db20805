/** What a command that goes from node to node is wrapped for: it opens for this dispatch only. */
export function commandPurpose(jti: string): string {
  return `dispatch:${jti}`;
}
