// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, inject, it } from 'vitest'
import { temporaryFolder } from '../fake-machine.test-support.ts'
import { tarFile } from './archive-host.test-support.ts'
import { tarEntry } from './tar-entry.ts'

describe('tarEntry', () => {
  it('reads what tar writes', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'release'))
    await writeFile(join(folder, 'release', 'LICENSE'), 'x'.repeat(1000))
    await writeFile(join(folder, 'release', 'nats-server'), 'y'.repeat(70_000))
    const archive = execFileSync('tar', ['-C', folder, '-c', 'release/LICENSE', 'release/nats-server'], {
      maxBuffer: 2 ** 20,
    })
    expect(Buffer.from(tarEntry(archive, 'nats-server') ?? []).toString()).toBe('y'.repeat(70_000))
  })

  it('skips folders, links and longer names', () => {
    const archive = Buffer.concat([
      tarFile('nats-server', '', '5'),
      tarFile('a/nats-server', '', '2'),
      tarFile('a/nats-server.sig', 'signature'),
      tarFile('nats-server/other', 'other'),
      tarFile('b/nats-server', 'this one', '\0'),
      tarFile('c/nats-server', 'not any more'),
    ])
    expect(Buffer.from(tarEntry(archive, 'nats-server') ?? []).toString()).toBe('this one')
  })

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['an empty archive', Buffer.alloc(1024)],
    ['half a header', tarFile('nats-server', 'x').subarray(0, 300)],
    ['half a file', tarFile('nats-server', 'x'.repeat(2000)).subarray(0, 1024)],
    ['a size that is no number', Buffer.from(tarFile('nats-server', 'x')).fill('9', 124, 136)],
    ['the file behind the end', Buffer.concat([Buffer.alloc(512), tarFile('nats-server', 'x')])],
  ])('finds nothing in %s', (_case, archive) => {
    expect(tarEntry(archive, 'nats-server')).toBeUndefined()
  })

  it('never gives more than there is, whatever the bytes are', () => {
    const bytes = fc.uint8Array({ maxLength: 2048 }).map((tail) => Buffer.concat([tarFile('a', 'x'), tail]))
    fc.assert(
      fc.property(bytes, (archive) => {
        expect(tarEntry(archive, 'nats-server')?.length ?? 0).toBeLessThanOrEqual(archive.length)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})
