// SPDX-License-Identifier: Apache-2.0
import { type NatsServer, startNatsServer } from '@nats-edge/embedded-nats'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { randomScript } from './client-script.test-support.ts'
import { Random } from './random.test-support.ts'
import { RawClient } from './raw-client.test-support.ts'
import { ServerModel } from './server-model.test-support.ts'
import type { WireErrorCode } from '../wire-error.ts'

// The server reads 512 bytes at first, and less after reads of less than half of that. A script that fits into one read is
// read by it as our parser reads it, bare CR included; others would be told apart by where the reads happen to end.
const longestScript = 440
const shortestRead = 260
const longestSession = 6
const limits = { maxControlLineBytes: 128, maxConnectBytes: 128, maxPayloadBytes: 64 }
const config = `max_payload: ${limits.maxPayloadBytes}, max_control_line: ${limits.maxControlLineBytes}`

const pedantic = '-ERR invalid publish subject'

const parserCodes = [
  'bad_arguments',
  'bad_header_size',
  'bad_line_end',
  'bad_size',
  'control_line_too_long',
  'headers_disabled',
  'payload_too_large',
  'peer_error',
  'unknown_operation',
]

const propertyRuns = inject('propertyRuns')
// A thousand property runs are five thousand commands for each server, a hundred thousand a million.
const wantedCommands = propertyRuns * (propertyRuns >= 100_000 ? 10 : 5)

/** What brings a session between operations: nothing, a line end, or a payload and a line end. */
function completion(said: string, model: () => ServerModel): string {
  for (const lineEnd of ['', '\n', '\r\n', '\n\r\n', '\r\n\r\n']) {
    for (let filler = 0; filler <= limits.maxPayloadBytes; filler++) {
      const more = filler === 0 ? lineEnd : `${lineEnd}${'x'.repeat(filler)}\r\n`
      const tried = model()
      tried.push(Buffer.from(`${said}${more}`, 'latin1'))
      if (!tried.isInside && (!tried.closed || more === '')) return more
    }
  }
  return '\r\nx'
}

/**
 * Output as it can be compared. Deliveries of one publish come in any order. A pedantic server complains about a subject
 * before it has seen that the payload ends wrongly, our parser hands out nothing of such an operation.
 */
function comparable(output: readonly string[], model: ServerModel): string[] {
  const isEarly =
    model.errorCode === 'bad_line_end' && output.length > model.output.length && output.at(-2) === pedantic
  const lines = isEarly ? output.toSpliced(-2, 1) : output
  const sorted: string[] = []
  let run: string[] = []
  for (const line of lines) {
    if (line.startsWith('MSG')) {
      run.push(line)
      continue
    }
    sorted.push(...run.sort(), line)
    run = []
  }
  return [...sorted, ...run.sort()]
}

describe.each(inject('natsServers'))('against nats-server $version', (binary) => {
  let server: NatsServer
  let observer: RawClient
  const newModel = (): ServerModel =>
    new ServerModel({ limits, connectDropsSubscriptions: !binary.version.startsWith('2.9.') })

  beforeAll(async () => {
    server = await startNatsServer({ binary, jetstream: false, config })
    observer = await RawClient.open(server.port)
    observer.send(Buffer.from('CONNECT {"verbose":false,"headers":true}\r\nSUB > 0\r\nPING\r\n'))
    await observer.pongsOrEnd(1)
    observer.output.length = 0
  })

  afterAll(async () => {
    await observer.close()
    await server.stop()
  })

  /** What the observer was sent since it was asked last. */
  async function seen(): Promise<string[]> {
    observer.send(Buffer.from('PING\r\n'))
    await observer.pongsOrEnd(observer.pongs + 1)
    const news = observer.output.splice(0).filter((line) => line !== 'PONG')
    return news.map((line) => line.replace('MSG ["0",', 'MSG ["",'))
  }

  /** Says a few scripts on one connection, until the server ends it. */
  async function compareSession(random: Random): Promise<ServerModel> {
    const client = await RawClient.open(server.port)
    const model = newModel()
    let said = ''
    for (let left = 1 + random.below(longestSession); left > 0 && !model.closed && !model.isAmbiguous; left--) {
      const script = randomScript(random, longestScript)
      const whole = `${script}${completion(`${said}${script}`, newModel)}`
      const more = `${whole}PING${' '.repeat(Math.max(0, shortestRead - whole.length))}\r\n`
      said += more
      model.push(Buffer.from(more, 'latin1'))
      client.send(Buffer.from(more, 'latin1'))
      await compare(client, model, JSON.stringify(said))
    }
    await client.close()
    return model
  }

  async function compare(client: RawClient, model: ServerModel, said: string): Promise<void> {
    try {
      await (model.closed ? client.end() : client.pongsOrEnd(model.pongs))
    } catch (error) {
      expect.fail(`${said}: ${String(error)}; expected ${model.output.join(', ')}`)
    }
    expect(client.closed, said).toBe(model.closed)
    if (!model.isAmbiguous) expect(comparable(client.output, model), said).toEqual(comparable(model.output, model))
    // Behind -ERR of a client the server still routes what came in the same read.
    const due = model.published.splice(0)
    const routed = await seen()
    expect(model.errorCode === 'peer_error' ? routed.slice(0, due.length) : routed, said).toEqual(due)
  }

  it(
    `reads ${wantedCommands} commands of random scripts as it does`,
    async () => {
      const random = new Random(binary.version.startsWith('2.9.') ? 9 : 15)
      const codes = new Map<WireErrorCode | undefined, number>()
      let commands = 0
      let sessions = 0
      let bareCrs = 0
      let ambiguous = 0
      while (commands < wantedCommands) {
        const model = await compareSession(random)
        commands += model.operations
        sessions++
        if (model.hasBareCr) bareCrs++
        if (model.isAmbiguous) ambiguous++
        codes.set(model.errorCode, 1 + (codes.get(model.errorCode) ?? 0))
      }
      // The scripts reach what they are for: everything a parser can refuse, and yet many of them go through.
      expect([...codes.keys()].filter((code) => code !== undefined).sort()).toEqual(parserCodes)
      expect((codes.get(undefined) ?? 0) / sessions).toBeGreaterThan(0.2)
      expect(bareCrs / sessions).toBeGreaterThan(0.05)
      expect(ambiguous / sessions).toBeLessThan(0.05)
    },
    20_000 + propertyRuns * 20,
  )
})
