/** What the wrapped secret of an operation is bound to at rest: it cannot be moved to another row. */
export function secretPurpose(operationId: string): string {
  return `operation:${operationId}`;
}
