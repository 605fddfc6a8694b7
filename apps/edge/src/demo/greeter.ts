// SPDX-License-Identifier: Apache-2.0
import { parsePattern } from '@nats-edge/wire-parser'
import type { Bus, Subscription } from '@nats-edge/wire-parser'

const subject = 'demo.greet'

/** A service in plain NATS, without HTTP in mind: it greets whom a request names. */
export function demoGreeter(bus: Bus): Subscription {
  const pattern = parsePattern(subject)
  if (pattern === undefined) throw new TypeError(`${subject} is no subject`)
  return bus.subscribe(pattern, (message) => {
    if (message.reply === undefined) return
    const name = Buffer.from(message.payload).toString().slice(0, 64)
    bus.publish(message.reply, Buffer.from(`hello ${name === '' ? 'you' : name}, from a NATS service`))
  })
}
