// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest'
import { bodyToHint } from './hint.ts'

async function hintOf(
  body: string | ReadableStream | null,
  headers: Record<string, string> = {},
): Promise<string | null> {
  const response = await bodyToHint(new Response(body, { status: 403, headers: { 'X-Kept': '1', ...headers } }))
  expect(response.status).toBe(403)
  expect(response.headers.get('x-kept')).toBe('1')
  expect(response.body).toBeNull()
  return response.headers.get('nats-edge-hint')
}

describe('bodyToHint', () => {
  it.each<[string | null, string | null]>([
    [null, null],
    ['', null],
    ['plain words', 'plain words'],
    ['{"title":"T","detail":"D"}', 'D'],
    ['{"title":"T"}', 'T'],
    ['{"detail":7}', '{"detail":7}'],
    ['[1]', '[1]'],
    ['null', 'null'],
    ['{broken', '{broken'],
    ['two\r\nlines\0', 'two lines'],
    ['grün', 'gr n'],
    ['é', null],
    ['x'.repeat(300), 'x'.repeat(256)],
  ])('makes of %j the hint %j', async (body, hint) => {
    expect(await hintOf(body)).toBe(hint)
  })

  it('leaves a hint of the route as it is, and cancels the body', async () => {
    const cancel = vi.fn<() => void>()
    expect(await hintOf(new ReadableStream({ cancel }), { 'Nats-Edge-Hint': 'mine' })).toBe('mine')
    expect(cancel).toHaveBeenCalledTimes(1)
  })

  it('reads no more of an endless body than it needs', async () => {
    let chunks = 0
    const cancel = vi.fn<() => void>()
    const body = new ReadableStream({
      pull: (controller) => {
        chunks += 1
        controller.enqueue(new Uint8Array(1000).fill(0x61))
      },
      cancel,
    })
    expect(await hintOf(body)).toBe('a'.repeat(256))
    expect(chunks).toBeLessThan(10)
    expect(cancel).toHaveBeenCalledTimes(1)
  })
})
