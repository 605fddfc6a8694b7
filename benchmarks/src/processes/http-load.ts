// SPDX-License-Identifier: Apache-2.0
// The load of HTTP rows, in a process of its own.
import { answerCommands, announceReady } from '../command-channel.ts'
import { type HttpLoadOptions, runHttpLoad } from '../http-load.ts'

answerCommands({ run: (params) => runHttpLoad(parseOptions(params)) })
announceReady()

function parseOptions(params: unknown): HttpLoadOptions {
  const { host, port, request, connections, durationMs } = params as Partial<Record<keyof HttpLoadOptions, unknown>>
  if (typeof host !== 'string') throw new TypeError('host must be a string')
  if (typeof port !== 'number') throw new TypeError('port must be a number')
  if (!(request instanceof Uint8Array)) throw new TypeError('request must be bytes')
  if (typeof connections !== 'number') throw new TypeError('connections must be a number')
  if (typeof durationMs !== 'number') throw new TypeError('durationMs must be a number')
  return { host, port, request, connections, durationMs }
}
