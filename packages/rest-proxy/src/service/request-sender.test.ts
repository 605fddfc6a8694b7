// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it } from 'vitest'
import { bench, fromHex, text, toHex } from './service-bench.test-support.ts'

describe.each(inject('natsServers'))('send() on nats-server $version', (binary) => {
  const rig = bench(binary)

  describe('send', () => {
    it('asks another service and reads its answer', async () => {
      await rig.serve((service) => {
        service.post('/echo/:id', (c) => {
          c.response.statusCode = 201
          c.response.headers.set('X-Got', c.headerVariable('x-sent')).append('X-Got', c.pathVariable('id'))
          c.response.body = `${c.request.method} ${c.request.url} ${text(c.request.body)} ${c.formVariable('f')}`
        })
      })
      const caller = await rig.serve(() => {})
      const answer = await caller.send('post', '/echo/%C3%A9?q=1', {
        body: 'ping',
        headers: { 'x-sent': '€' },
        form: { f: ['1', '2'] },
      })
      expect(answer.statusCode).toBe(201)
      expect(answer.headers.getAll('x-got')).toEqual(['€', 'é'])
      expect(text(answer.body)).toBe('POST /echo/%C3%A9?q=1 ping 1')
      expect(answer.doUpgrade).toBe(false)
    })

    it('sends the bytes of the envelope, nothing else', async () => {
      const nats = await rig.dial()
      const received: string[] = []
      nats.subscribe('GET:.golden.a*b', {
        callback: (_, message) => {
          received.push(toHex(message.data), String(message.headers))
          message.respond(fromHex('089403 1208 0a0158 1203 0a01e9 1a02 6869 2001'))
        },
      })
      await nats.flush()
      const caller = await rig.serve(() => {})
      const answer = await caller.send('GET', '/golden/a*b', { headers: { A: ['1', ''] }, remoteAddr: '[::1]:9' })
      expect(received).toEqual([
        toHex(fromHex('0a0b2f676f6c64656e2f612a62 1203474554 1a075b3a3a315d3a39 320a0a014112050a01310a00 3a00')),
        'undefined',
      ])
      expect([answer.statusCode, answer.headers.get('x'), text(answer.body), answer.doUpgrade]).toEqual([
        404,
        'é',
        'hi',
        true,
      ])
      expect([...(answer.headers.getBytes('x') ?? [])]).toEqual([0xe9])
    })

    it.each([
      ['', '"', TypeError],
      ['relative', 'path', TypeError],
      ['/a b', 'blanks', TypeError],
      ['/a\r\nPUB x 0', 'control', TypeError],
      ['/a%20b', 'subject', TypeError],
      ['/%2A', 'wildcard', TypeError],
      ['/a/%3E', 'wildcard', TypeError],
      ['//a', 'subject', TypeError],
      ['/%zz', 'undecodable', TypeError],
      [`/${'x'.repeat(1025)}`, 'too long', TypeError],
    ])('refuses the URL %j', async (url, reason, error) => {
      const caller = await rig.serve(() => {})
      await expect(caller.send('GET', url)).rejects.toThrow(error)
      await expect(caller.send('GET', url)).rejects.toThrow(reason)
    })

    it('rejects when nobody listens, nobody answers, the answer is broken or the caller gives up', async () => {
      const nats = await rig.dial()
      nats.subscribe('GET:.silent', { callback: () => {} })
      nats.subscribe('GET:.broken', { callback: (_, message) => void message.respond('x') })
      nats.subscribe('GET:.empty', { callback: (_, message) => void message.respond() })
      await nats.flush()
      const caller = await rig.serve(() => {})
      await expect(caller.send('GET', '/nobody')).rejects.toMatchObject({ code: 'no_responders' })
      await expect(caller.send('GET', '/silent', {}, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' })
      await expect(caller.send('GET', '/broken')).rejects.toMatchObject({ name: 'EnvelopeError' })
      await expect(caller.send('GET', '/empty')).rejects.toMatchObject({ name: 'EnvelopeError' })
      await expect(caller.send('GET', '/x', {}, { timeoutMs: 0 })).rejects.toThrow(RangeError)
      await expect(caller.send('G ET', '/x')).rejects.toThrow(TypeError)
      const controller = new AbortController()
      const asked = caller.send('GET', '/silent', {}, { signal: controller.signal })
      controller.abort(new Error('enough'))
      await expect(asked).rejects.toThrow('enough')
    })
  })
})
