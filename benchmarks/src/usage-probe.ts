// SPDX-License-Identifier: Apache-2.0
// Preloaded into every measured Node process, our server included: reports its CPU time to the harness and ends it with
// the harness, so that nothing is left behind after a kill.
import { answerCommands } from './command-channel.ts'

answerCommands({
  cpu: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  },
})
process.once('disconnect', () => process.exit(1))
// Being measured must not keep a program alive.
process.channel?.unref()
