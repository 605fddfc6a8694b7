// SPDX-License-Identifier: Apache-2.0
import { chromium, type Browser } from 'playwright-core'
import { describe, inject } from 'vitest'

const program = inject('chromium')

/** `describe` for tests in a browser; where no Chromium can be had they are skipped, and their title says why. */
export function describeInChromium(title: string, tests: () => void): void {
  const reason = 'path' in program ? '' : ` (skipped, no Chromium: ${program.missing})`
  describe.skipIf(reason !== '')(`${title}${reason}`, () => {
    tests()
  })
}

/** Starts a Chromium with a profile of its own, which talks to nobody but the pages' servers; `close()` ends it. */
export function launchChromium(): Promise<Browser> {
  if (!('path' in program)) throw new Error(`no Chromium: ${program.missing}`)
  const quiet = ['--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update']
  return chromium.launch({
    executablePath: program.path,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-sync', '--no-proxy-server', ...quiet],
  })
}
