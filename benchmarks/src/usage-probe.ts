// SPDX-License-Identifier: Apache-2.0
// Preloaded into every measured Node process, our server included: reports its CPU time and memory to the harness and ends it with
// the harness, so that nothing is left behind after a kill.
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { collectGarbage } from './collect-garbage.ts'
import { answerCommands } from './command-channel.ts'

let lag: IntervalHistogram | undefined

answerCommands({
  cpu: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  },
  memory: () => {
    collectGarbage()
    return process.memoryUsage.rss()
  },
  // Since it was asked last; the first question only begins.
  lag: () => {
    if (lag === undefined) {
      lag = monitorEventLoopDelay()
      lag.enable()
    }
    const p99Ms = lag.percentile(99) / 1e6
    lag.reset()
    return p99Ms
  },
})
process.once('disconnect', () => process.exit(1))
// Being measured must not keep a program alive.
process.channel?.unref()
