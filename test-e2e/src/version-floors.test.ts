// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import { satisfiesVersion } from '@nats-edge/embedded-nats'
import { describe, expect, it } from 'vitest'

// Below these a dependency has a known hole; `npm audit` may be out of reach, this is not.
const floors = {
  hono: '>=4.12.34',
  '@hono/node-server': '>=2.0.10',
  ws: '>=8.21.0',
  '@nats-io/nats-core': '>=3.3.1 <4',
  '@nats-io/transport-node': '>=3.3.1 <4',
}

const lock: unknown = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8'))

function lockedPackages(): Map<string, { version?: string; hasInstallScript?: boolean }> {
  if (typeof lock !== 'object' || lock === null || !('packages' in lock))
    throw new TypeError('package-lock.json: packages')
  return new Map(Object.entries(lock.packages as Record<string, { version?: string; hasInstallScript?: boolean }>))
}

describe('reliability T30: the lock file', () => {
  it.each(Object.entries(floors))('holds %s at %s in every copy', (name, range) => {
    const copies = [...lockedPackages()].filter(([path]) => path.endsWith(`node_modules/${name}`))
    expect(copies.length).toBeGreaterThan(0)
    for (const [path, { version }] of copies) {
      expect(satisfiesVersion(version ?? '', range), `${path} is ${version}`).toBe(true)
    }
  })

  it('has no nats 2.x', () => {
    expect([...lockedPackages().keys()].filter((path) => path.endsWith('node_modules/nats'))).toEqual([])
  })

  it('names no registry', () => {
    expect(JSON.stringify(lock)).not.toMatch(/"resolved":"https?:/)
  })
})

describe('reliability T30: published packages', () => {
  const manifests = [
    'packages/embedded-nats',
    'packages/wire-parser',
    'packages/ws-toolkit',
    'packages/rest-proxy',
    'apps/edge',
  ]

  it.each(manifests)('%s has no install script and few dependencies', (folder) => {
    const manifest: unknown = JSON.parse(readFileSync(new URL(`../../${folder}/package.json`, import.meta.url), 'utf8'))
    const { scripts = {}, dependencies = {} } = manifest as Partial<
      Record<'scripts' | 'dependencies', Record<string, string>>
    >
    expect(Object.keys(scripts).filter((name) => /install|prepare/.test(name))).toEqual([])
    const foreign = Object.keys(dependencies).filter((name) => !name.startsWith('@nats-edge/'))
    expect(foreign.length).toBeLessThanOrEqual(folder === 'apps/edge' ? 12 : 2)
  })
})
