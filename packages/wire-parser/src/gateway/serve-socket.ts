// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { WireError } from '../wire-error.ts'
import { readIntoBuffer } from './accepted-read.ts'
import { errorLine } from './answers.ts'
import { canonicalIp } from './client-address.ts'
import { minimalInfo } from './info-rewrite.ts'
import { join } from './join.ts'
import type { ListenerContext } from './listener.ts'
import { prepare } from './prepare.ts'
import { Session } from './session.ts'
import { SocketTransport } from './socket-transport.ts'
import type { ListenerTls } from './tls-options.ts'

const tlsHandshake = 0x16
const unreachableText = new WireError('backend_unavailable', '').text

/** Serves an accepted connection, which is paused: makes sure there is room, dials, says INFO, then joins both sides. */
export function serveSocket(context: ListenerContext, socket: Socket): void {
  const { state, tls } = context
  socket.on('error', ignore)
  const ip = canonicalIp(socket.remoteAddress)
  const place = state.admit('tcp', ip)
  if ('reason' in place) {
    const isTold = place.reason !== 'address' && tls?.mode !== 'first' && !state.isDraining
    if (isTold) refuse(context, socket, new WireError('too_many_connections', place.reason))
    else socket.destroy()
    return
  }
  const session = new Session(state, {
    transport: 'tcp',
    listener: context.name,
    ip,
    host: socket.localAddress ?? '127.0.0.1',
    port: socket.localPort ?? 0,
    tls: tls === undefined ? 'none' : tls.clientCertificate === 'require' ? 'verify' : 'required',
    request: undefined,
    principal: undefined,
    ...place,
  })
  void serve(context, session, socket)
}

async function serve(context: ListenerContext, session: Session, socket: Socket): Promise<void> {
  const isEarly = await beginsWithTls(context.tls, socket)
  let stream: Socket = socket
  let isGreeted = false
  try {
    if (isEarly) stream = await secure(context, session, socket)
    const { dialled, first } = await prepare(session)
    if (context.tls !== undefined && !isEarly) {
      isGreeted = true
      await write(socket, first)
      stream = await secure(context, session, socket)
    }
    const source = context.tls === undefined ? readIntoBuffer(socket, session.limits.readBufferBytes) : undefined
    join(session, new SocketTransport(stream, source), dialled, isGreeted ? undefined : first)
  } catch (error) {
    const failure = error instanceof WireError ? error : new WireError('internal', String(error), { cause: error })
    session.closing.abandon(failure)
    if (isGreeted || failure.text === undefined || stream.destroyed) stream.destroy()
    else refuse(context, stream, failure)
  }
}

/** Whether the client begins with TLS, or has to. What it sends stays to be read. */
function beginsWithTls(tls: ListenerTls | undefined, socket: Socket): Promise<boolean> {
  if (tls === undefined || tls.mode === 'upgrade') return Promise.resolve(false)
  if (tls.mode === 'first') return Promise.resolve(true)
  return new Promise((resolve) => {
    const decide = (): void => {
      clearTimeout(timer)
      socket.off('readable', decide).off('close', decide)
      const chunk: Buffer | null = socket.read()
      if (chunk !== null) socket.unshift(chunk)
      resolve(chunk?.[0] === tlsHandshake)
    }
    const timer = setTimeout(decide, tls.autoDelayMs)
    socket.on('readable', decide).on('close', decide)
  })
}

async function secure({ gate, state }: ListenerContext, session: Session, socket: Socket): Promise<Socket> {
  if (gate === undefined) return socket
  try {
    const stream = await gate.secure(socket)
    stream.on('error', ignore)
    stream.pause()
    const certificate = stream.getPeerCertificate()
    session.certificate = stream.authorized && Object.keys(certificate).length > 0 ? certificate : undefined
    session.servername = typeof stream.servername === 'string' ? stream.servername : undefined
    return stream
  } catch (error) {
    state.counters.tlsFailed++
    state.observe({ type: 'tls.failed', error, ...session.audit.subject() })
    socket.destroy()
    throw new WireError('peer_error', 'the TLS handshake failed', { cause: error })
  }
}

function write(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => {
      if (error === undefined || error === null) resolve()
      else reject(new WireError('peer_error', 'the client has left', { cause: error }))
    })
  })
}

// INFO and -ERR in one write: clients that meet -ERR first lose its text. Where there is no server behind the gateway they
// are to lose it: nats.js hears a refusal behind INFO only when its connect timeout of 20 s is over, and without INFO it
// tries again at once, as it does where nobody listens.
function refuse({ state, tls }: ListenerContext, stream: Socket, error: WireError): void {
  if (tls?.mode === 'first' && !(stream instanceof TLSSocket)) {
    stream.destroy()
    return
  }
  const isUnreachable = error.code === 'backend_unavailable' && error.text === unreachableText
  const info = isUnreachable ? new Uint8Array(0) : minimalInfo(state.options.limits.maxPayloadBytes)
  new SocketTransport(stream).write(Buffer.concat([info, errorLine(error.text ?? '')]))
  new SocketTransport(stream).end()
}

function ignore(): void {}
