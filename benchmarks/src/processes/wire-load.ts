// SPDX-License-Identifier: Apache-2.0
// The loads of wire rows, in a process of their own.
import { answerCommands, announceReady } from '../command-channel.ts'
import { runDeliverLoad, runPublishLoad } from '../wire-flood-load.ts'
import { runIdleLoad } from '../wire-idle-load.ts'
import type { WireLoadOptions } from '../wire-load.ts'
import { runPingLoad, runRequestLoad } from '../wire-turn-load.ts'

answerCommands({
  publish: (params) => runPublishLoad(parseOptions(params)),
  deliver: (params) => runDeliverLoad(parseOptions(params)),
  ping: (params) => runPingLoad(parseOptions(params)),
  request: (params) => runRequestLoad(parseOptions(params)),
  idle: (params) => runIdleLoad(parseOptions(params)),
})
announceReady()

function parseOptions(params: unknown): WireLoadOptions {
  const { url, size, framing, durationMs } = params as Partial<Record<keyof WireLoadOptions, unknown>>
  if (typeof url !== 'string') throw new TypeError('url must be a string')
  if (typeof size !== 'number') throw new TypeError('size must be a number')
  if (framing !== 'one' && framing !== 'many') throw new TypeError('framing must be one or many')
  if (typeof durationMs !== 'number') throw new TypeError('durationMs must be a number')
  return { url, size, framing, durationMs }
}
