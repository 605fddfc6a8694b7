// SPDX-License-Identifier: Apache-2.0
import { vi } from 'vitest'

// What comes at last is waited for: a busy machine makes it late, and late is no failure. Vitest itself waits one second.
const patienceMs = 10_000
const { waitFor, waitUntil } = vi

vi.waitFor = (callback, options = patienceMs) => waitFor(callback, withPatience(options))
vi.waitUntil = (callback, options = patienceMs) => waitUntil(callback, withPatience(options))

function withPatience<T extends { timeout?: number }>(options: number | T): number | T {
  return typeof options === 'number' ? options : { timeout: patienceMs, ...options }
}
