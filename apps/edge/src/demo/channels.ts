// SPDX-License-Identifier: Apache-2.0
import type { EdgeConfigInput } from '../config.ts'

/** The channels of the demo, as a file would have them. */
export const demoChannels: EdgeConfigInput = {
  echo: { default: { echo: true } },
  'chat/:room': { room: '{room}', overflow: 'drop-oldest' },
}

/** The commands for the demo's channels, each of which works as it stands; chat is for two terminals. */
export function channelLines(edge: { readonly url: string }, path: string): readonly string[] {
  const base = `${edge.url.replace(/^http/, 'ws')}${path}`
  // Node has a WebSocket of its own from 22 on; before, behind a flag.
  const node = typeof globalThis.WebSocket === 'function' ? 'node' : 'node --experimental-websocket'
  const echo = `w.onopen = () => w.send("hello"); w.onmessage = (m) => { console.log(m.data); w.close() }`
  const chat = [
    'w.onmessage = (m) => console.log(m.data)',
    'w.onopen = () => process.stdin.on("data", (t) => w.send(String(t).trim())).on("end", () => w.close())',
  ].join('; ')
  return [
    `${node} -e 'const w = new WebSocket("${base}/echo"); ${echo}'`,
    `${node} -e 'const w = new WebSocket("${base}/chat/lobby"); ${chat}'   # in two terminals, then type`,
  ]
}
