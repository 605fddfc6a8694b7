// What the global setup hands to every test file through `inject()`.
import 'vitest'
import type { SystemProgram } from './test-e2e/src/support/system-program.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The nats-server binaries this run tests against, oldest first; never empty. */
    natsServers: readonly { readonly path: string; readonly version: string }[]
    /** The Chromium of the tests in a browser, or why there is none. */
    chromium: SystemProgram
    /** The Redis of the tests with one, or why there is none. */
    redisServer: SystemProgram
    /** Cases per property test: 1,000, or PROPERTY_RUNS. */
    propertyRuns: number
    /** What "within 100 ms" is held to: 100 in the long job, where tests run one by one; else 1,000, as they share the machine. */
    promptMs: number
  }
}
