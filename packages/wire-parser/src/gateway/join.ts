// SPDX-License-Identifier: Apache-2.0
import { WireError } from '../wire-error.ts'
import type { DialledBackend } from './backend-dial.ts'
import { BackendSide } from './backend-side.ts'
import { ClientSide } from './client-side.ts'
import { Flow } from './flow.ts'
import { Outlet } from './outlet.ts'
import type { Session } from './session.ts'
import type { Transport } from './transport.ts'

/** Joins a client to its backend; `first` is what the client still has to be told before anything else. */
export function join(
  session: Session,
  client: Transport,
  dialled: DialledBackend,
  first: Uint8Array | undefined,
): void {
  const { limits } = session
  const { maxControlLineBytes, maxConnectBytes, maxHeaderBytes, maxInfoBytes, readBufferBytes: holdBytes } = limits
  const clientOutlet = new Outlet(client)
  const backendOutlet = new Outlet(dialled.transport)
  const clientSide = new ClientSide(session)
  const backendSide = new BackendSide(session)
  const clientFlow = new Flow({
    source: client,
    outlet: backendOutlet,
    owner: clientSide,
    parser: {
      side: 'client',
      headers: false,
      connectRequired: session.judgesConnect,
      limits: { maxControlLineBytes, maxConnectBytes, maxHeaderBytes, holdBytes },
    },
    limits,
    readAheadBytes: holdBytes,
  })
  const backendFlow = new Flow({
    source: dialled.transport,
    outlet: clientOutlet,
    owner: backendSide,
    parser: { side: 'server', limits: { maxInfoBytes, holdBytes } },
    limits,
  })
  clientSide.flow = clientFlow
  backendSide.flow = backendFlow
  clientFlow.parser.setMaxPayloadBytes(session.maxPayloadBytes)
  Object.assign(session, { client, clientOutlet, backendOutlet, clientFlow, backendFlow })
  if (first !== undefined) session.insertToClient(first)
  session.opened()
  start(session, { client, clientOutlet, dialled, clientFlow, backendFlow })
}

interface Joined {
  readonly client: Transport
  readonly clientOutlet: Outlet
  readonly dialled: DialledBackend
  readonly clientFlow: Flow
  readonly backendFlow: Flow
}

function start(session: Session, { client, clientOutlet, dialled, clientFlow, backendFlow }: Joined): void {
  const { closing } = session
  const fromBackend = {
    data: (chunk: Uint8Array): void => guard(session, () => backendFlow.push(chunk)),
    flush: (): boolean => {
      backendFlow.flush()
      if (clientOutlet.queuedBytes > session.limits.maxPendingBytes) session.tooSlow()
      return backendFlow.keepsBytes
    },
    drained: (): void => clientFlow.drained(),
    ended: (): void => closing.backendGone(undefined),
    closed: (error: Error | undefined): void => closing.backendGone(error),
  }
  if (dialled.rest.length > 0) {
    fromBackend.data(dialled.rest)
    fromBackend.flush()
  }
  dialled.transport.start(fromBackend)
  client.start({
    data: (chunk) => guard(session, () => fromClient(session, clientFlow, chunk)),
    flush: () => {
      clientFlow.flush()
      if (clientOutlet.queuedBytes > session.limits.maxPendingBytes) session.tooSlow()
      return clientFlow.keepsBytes
    },
    read: () => awaitsFirst(session),
    drained: () => backendFlow.drained(),
    ended: () => clientGone(session, clientFlow, undefined),
    closed: (error) => clientGone(session, clientFlow, error),
  })
}

/** What the client had said before it left is for the server, if nobody else has ended the connection. */
function clientGone(session: Session, flow: Flow, error: Error | undefined): void {
  const { closing } = session
  if (!closing.hasBegun) guard(session, () => flow.ended())
  closing.clientGone(error)
}

function fromClient(session: Session, flow: Flow, chunk: Uint8Array): void {
  flow.push(chunk)
  if (!session.hasPassed) awaitsFirst(session)
}

/** Bounds what a client may send before something of it has passed; whether it still has to. */
function awaitsFirst(session: Session): boolean {
  if (session.hasPassed || session.closing.hasBegun) return false
  const isDeciding = session.clientFlow?.isPending === true
  if (isDeciding || (session.client?.bytesRead ?? 0) <= session.limits.preConnectBytes) return true
  session.closing.fail('protocol_error', new WireError('control_line_too_long', 'too much came before CONNECT'))
  return false
}

function guard(session: Session, work: () => void): void {
  try {
    work()
  } catch (error) {
    session.closing.broken(error)
  }
}
