// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it } from 'vitest'
import { BusError } from '../bus-error.ts'
import type { Pending } from '../message-bus.ts'
import { connectTo, eventually, startBroker, text } from './broker.test-support.ts'
import { ReplyInbox } from './reply-inbox.ts'

const stem = '_INBOX.abcdefghijklmnopqrstuv.'

describe('ReplyInbox', () => {
  it('gives no reply to the request that took the slot while the arrival of the reply was being told', async () => {
    const [binary] = inject('natsServers')
    if (binary === undefined) throw new Error('no nats-server')
    const nats = await connectTo(await startBroker(binary))
    const got: string[] = []
    let first: Pending | undefined
    let slot = -1
    const confirm = (): void => {
      if (first === undefined) return
      first.cancel()
      first = undefined
      expect(
        inbox.add(
          'second',
          (reply) => void got.push(`second ${text('payload' in reply ? reply.payload : new Uint8Array())}`),
          2,
        ),
      ).toBe(slot)
      inbox.wait(slot, 5000)
    }
    const inbox: ReplyInbox = new ReplyInbox(stem, { confirm, failed: (error) => void got.push(String(error)) })
    inbox.open(nats)
    slot = inbox.add('first', () => void got.push('first'), 1)
    const early = inbox.replySubject(slot)
    first = inbox.wait(slot, 5000)
    nats.publish(early, 'early')
    await nats.flush()
    nats.publish(inbox.replySubject(slot), 'own')
    await eventually(() => got.length > 0)
    expect(got).toEqual(['second own'])
  })

  it('fails exactly the requests that waited, whatever their callbacks cancel and ask anew', () => {
    const events: string[] = []
    const inbox = new ReplyInbox(stem, { confirm: () => undefined, failed: (error) => void events.push(String(error)) })
    const error = new BusError('forbidden', 'no')
    const ask = (name: string, mark: number, onReply: () => void = () => undefined): Pending => {
      const slot = inbox.add(name, () => (events.push(name), onReply()), mark)
      return inbox.wait(slot, 5000)
    }
    ask('one', 1, () => {
      third.cancel()
      ask('four', 4)
      throw new Error('thrown')
    })
    ask('two', 2)
    const third = ask('three', 3)
    inbox.fail(error)
    expect(events).toEqual(['one', 'Error: thrown', 'two'])
    inbox.fail(error, 'three')
    inbox.fail(error, 'four')
    expect(events.slice(3)).toEqual(['four'])
  })
})
