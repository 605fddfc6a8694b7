// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { loadRows, selectRows } from './row-list.ts'

describe('loadRows', () => {
  it('finds every file of rows/ and nothing else', async () => {
    expect((await loadRows()).map(({ name }) => name).filter((name) => !/^(wire|ws)-/.test(name))).toEqual([
      'bus-request',
      'parser-subject',
      'parser',
      'rest-get',
      'rest-post-1k',
    ])
  })

  it('finds several rows in a file that exports a list', async () => {
    const names = (await loadRows()).map(({ name }) => name)
    expect(names).toEqual(
      expect.arrayContaining([
        'wire-tcp-publish-16',
        'wire-tcp-publish-128',
        'wire-tcp-publish-1k',
        'wire-tcp-publish-64k',
      ]),
    )
  })

  it('gives every row a gate on errors', async () => {
    for (const row of await loadRows()) expect(row.gates).toContainEqual({ measure: 'errors', atMost: 0 })
  })
})

describe('selectRows', () => {
  it('keeps the order of the names', async () => {
    const rows = selectRows(await loadRows(), ['rest-get', 'bus-request'])
    expect(rows.map(({ name }) => name)).toEqual(['rest-get', 'bus-request'])
  })

  it('takes the first words of names for all that begin with them', async () => {
    const rows = selectRows(await loadRows(), ['wire-latency', 'parser'])
    expect(rows.map(({ name }) => name)).toEqual([
      'wire-latency-ping-tcp',
      'wire-latency-ping-ws',
      'wire-latency-request-tcp',
      'wire-latency-request-ws',
      'parser',
    ])
  })

  it('takes all without names', async () => {
    const rows = await loadRows()
    expect(selectRows(rows, undefined)).toEqual(rows)
  })

  it('refuses an unknown name and says which there are', async () => {
    const rows = await loadRows()
    expect(() => selectRows(rows, ['rest-put'])).toThrow(
      '--rows rest-put: no such row; there are bus-request, parser-subject, parser, rest-get',
    )
  })
})
