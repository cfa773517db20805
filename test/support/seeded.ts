/** What every fast-check property here runs with: the same cases each time; a failure prints seed and path. */
export const SEEDED = { seed: 20_260_801, endOnFailure: false } as const;
