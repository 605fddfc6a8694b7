// SPDX-License-Identifier: Apache-2.0
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { Answer } from './answer.ts'
import { RawOutlet, ResponseOutlet } from './outlet.ts'
import { RawClient, rawRequestText, type RawResponse } from './raw-client.test-support.ts'

const answer: Answer = {
  status: 201,
  headers: ['Vary', 'Accept', 'X-Request-Id', 'theirs', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'],
  body: Buffer.from('\xe9 body', 'latin1'),
  length: 6,
}

async function written(
  head: Record<string, string | string[]>,
  given = answer,
): Promise<{ response: RawResponse; closed: boolean }> {
  const server = createServer((_incoming, outgoing) => {
    new RawOutlet(outgoing, { take: () => new Response(), head: () => head }).send(given, false)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = await RawClient.open((server.address() as AddressInfo).port)
  const response = await client.send(rawRequestText('GET /'))
  const closed = response.get('connection') === 'close'
  client.close()
  await new Promise((resolve) => server.close(resolve))
  return { response, closed }
}

describe('RawOutlet', () => {
  it("writes the host's headers, ours beside them, and the host's where a field stands once", async () => {
    const { response } = await written({ 'x-request-id': 'host', VARY: 'Origin', 'set-cookie': ['h=0'] })
    expect(response.status).toBe(201)
    expect(response.all('x-request-id')).toEqual(['host'])
    expect(response.all('vary')).toEqual(['Origin', 'Accept'])
    expect(response.all('set-cookie')).toEqual(['h=0', 'a=1', 'b=2'])
    expect(response.body).toEqual(answer.body)
  })

  it.each([2048, 2049, 200_000])('writes %i bytes as they are', async (length) => {
    const body = Buffer.from(Array.from({ length }, (_, at) => at % 256))
    const { response } = await written({}, { ...answer, body, length })
    expect(response.body.equals(body)).toBe(true)
  })

  it('answers 500 where the host has a header that node refuses', async () => {
    const { response, closed } = await written({ 'X-Bad': 'a\nb' })
    expect([response.status, closed]).toEqual([500, true])
  })
})

describe('ResponseOutlet', () => {
  it('answers 500 where there can be no such Response', async () => {
    const outlet = new ResponseOutlet()
    outlet.send({ ...answer, status: 700 }, false)
    expect((await outlet.response).status).toBe(500)
  })

  it('releases whoever waits when the client is gone', async () => {
    const outlet = new ResponseOutlet()
    outlet.abandon()
    expect((await outlet.response).status).toBe(499)
  })
})
