// SPDX-License-Identifier: Apache-2.0

/** Where NATS clients connect; undefined where they cannot. */
export interface WirePlaces {
  readonly tcp: string | undefined
  readonly webSocket: string | undefined
}

/** The lines for NATS clients printed at start: the `nats` CLI, nats.js over TCP, nats.js over WebSocket. */
export function wireLines({ tcp, webSocket }: WirePlaces, demo: boolean): readonly string[] {
  const cli = demo ? 'request demo.greet ada' : 'pub hello world'
  return [
    ...(tcp === undefined ? [] : [`nats --server ${tcp} ${cli}`]),
    ...(tcp === undefined || !demo
      ? []
      : [script('', `import { connect } from '@nats-io/transport-node'`, 'connect', tcp)]),
    ...(webSocket === undefined || !demo
      ? []
      : [script(webSocketFlag(), `import { wsconnect } from '@nats-io/nats-core'`, 'wsconnect', webSocket)]),
  ]
}

function script(flag: string, imports: string, connect: string, server: string): string {
  const steps = [
    imports,
    `const nc = await ${connect}({ servers: '${server}' })`,
    `console.log((await nc.request('demo.greet', 'ada')).string())`,
    'await nc.close()',
  ]
  return `node ${flag}--input-type=module -e "${steps.join('; ')}"`
}

// Node has WebSocket clients of its own since 22; before that they have to be asked for.
function webSocketFlag(): string {
  return typeof WebSocket === 'undefined' ? '--experimental-websocket ' : ''
}
