// SPDX-License-Identifier: Apache-2.0
// The load of WebSocket rows on one server, in a process of its own.
import { answerCommands, announceReady } from '../command-channel.ts'
import { runWsAcceptLoad } from '../ws-accept-load.ts'
import { WsBroadcastLoad } from '../ws-broadcast-load.ts'
import { WsEchoLoad } from '../ws-echo-load.ts'
import { WsFleet } from '../ws-fleet.ts'
import { encodeClientFrame } from '../ws-frame.ts'
import { parseWsTarget, type WsLoadCommand } from '../ws-load-command.ts'
import { reconnect } from '../ws-reconnect-load.ts'
import { WsRestLoad } from '../ws-rest-load.ts'

const target = parseWsTarget(process.argv[2])
const fleet = new WsFleet(target)

answerCommands({
  // Only a row of this package sends these.
  load: (params) => answer(params as WsLoadCommand),
})
announceReady()

function answer(command: WsLoadCommand) {
  switch (command.kind) {
    case 'grow':
      return fleet.grow(command.count)
    case 'echo':
      return fleet.run(new WsEchoLoad({ ...command, frame: framed(command.message) }))
    case 'rest':
      return fleet.run(new WsRestLoad(command.durationMs))
    case 'reconnect':
      return reconnect(fleet, command.count, framed(command.message))
    case 'broadcast':
      return fleet.run(new WsBroadcastLoad({ ...command, frame: framed(command.message) }))
    default:
      return runWsAcceptLoad({ ...target, ...command })
  }
}

function framed(message: string): Buffer {
  return encodeClientFrame(Buffer.from(message))
}
