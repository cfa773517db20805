import { defineConfig } from 'vitest/config';

/** The tests that mutants of the agent's command core have to get past. */
export default defineConfig({
  test: {
    include: [
      'test/unit/agent/commands/**/*.test.ts',
      'test/integration/{commander,journal}*.test.ts',
      'test/integration/{attacks-agent,full-disk,password-rules,trail}.test.ts',
      'test/integration/{agent-admission,agent-guard,exactly-once}*.test.ts',
    ],
    restoreMocks: true,
    testTimeout: 30_000,
  },
});
