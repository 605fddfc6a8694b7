import { defaultServerConditions } from 'vite'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Packages of this repository are tested from source, without a build. `module` is for bundlers: Node cannot load what
  // @opentelemetry/api 1.9 has under it, which the metrics of the edge require.
  ssr: {
    resolve: { conditions: ['@nats-edge/source', ...defaultServerConditions.filter((name) => name !== 'module')] },
  },
  test: {
    include: [
      '{packages,apps}/*/src/**/*.test.ts',
      'test-e2e/src/**/*.test.ts',
      'examples/*/*.test.ts',
      'benchmarks/src/**/*.test.ts',
    ],
    globalSetup: ['./vitest.setup.ts'],
    setupFiles: ['./vitest.patience.ts'],
    expect: { poll: { timeout: 10_000, interval: 10 } },
    pool: 'forks',
    // Tests wait more than they compute; those of the long job measure, so they run alone.
    maxWorkers: process.env['PROPERTY_RUNS'] === undefined ? 2 : 1,
    // A property of the long job has a millisecond a case.
    testTimeout: 60_000 + Number(process.env['PROPERTY_RUNS'] ?? 0),
    hookTimeout: 60_000,
    reporters: ['default'],
  },
})
