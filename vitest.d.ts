// What the global setup hands to every test file through `inject()`.
import 'vitest'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The nats-server binaries this run tests against, oldest first; never empty. */
    natsServers: readonly { readonly path: string; readonly version: string }[]
    /** Cases per property test: 1,000, or PROPERTY_RUNS. */
    propertyRuns: number
    /** What "within 100 ms" is held to: 100 in the long job, where tests run one by one; else 1,000, as they share the machine. */
    promptMs: number
  }
}
