// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'

/** The version of this package. */
export const edgeVersion: string = readVersion()

// One folder up from the source as well as from the build.
function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const isObject = typeof manifest === 'object' && manifest !== null
  return isObject && 'version' in manifest ? String(manifest.version) : 'unknown'
}
