// SPDX-License-Identifier: Apache-2.0
// Reads a stream of small publishes from memory, by our parser or by splitting lines, and is itself what is measured.
import { type OperationView, Parser } from '@nats-edge/wire-parser'
import { answerCommands, announceReady } from '../command-channel.ts'
import { messageStream, runParseLoad } from '../parse-load.ts'
import { type SplitMessage, SplitParser } from '../split-parser.ts'

const [how = 'parser', what = 'payload'] = process.argv.slice(2)
const subject = 'foo.bar'
const payload = '0123456789abcdef'
const stream = messageStream(`PUB ${subject} ${payload.length}\r\n${payload}\r\n`, 60_000)
const bytesEach = what === 'subject' ? subject.length : payload.length
const seen = { messages: 0, bytes: 0 }

const takePayload = (view: OperationView): void => see(view.payloadEnd - view.payloadStart)
const takeSubject = (view: OperationView): void => see(view.subject.length)
const splitPayload = (message: SplitMessage): void => see(message.payload.length)
const splitSubject = (message: SplitMessage): void => see(message.subject.length)

const parser =
  how === 'parser'
    ? new Parser({ side: 'client' }, { operation: what === 'subject' ? takeSubject : takePayload, error })
    : new SplitParser(what === 'subject' ? splitSubject : splitPayload)

answerCommands({
  run: (params) => {
    const { durationMs } = params as { readonly durationMs?: unknown }
    if (typeof durationMs !== 'number') throw new TypeError('run needs a number')
    return runParseLoad((chunk) => parser.push(chunk), seen, { stream, bytesEach, durationMs })
  },
})
announceReady()

function see(bytes: number): void {
  seen.messages++
  seen.bytes += bytes
}

function error(fault: Error): never {
  throw fault
}
