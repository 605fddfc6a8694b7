// SPDX-License-Identifier: Apache-2.0
import { encodeRequest, type RequestFields } from '../envelope/nats-proxy.ts'
import { ServiceContext } from './context.ts'
import { natsProxyMessage } from './nats-proxy-message.ts'
import { parseRoutePattern } from './route-pattern.ts'

/** A context as a handler gets it, without a broker. */
export function contextFor(
  fields: Partial<RequestFields> & { readonly form?: readonly string[] },
  pattern = '/>',
): ServiceContext {
  const payload = encodeRequest({
    url: '/',
    method: 'GET',
    remoteAddr: '',
    body: new Uint8Array(0),
    headers: [],
    webSocketId: '',
    ...fields,
  })
  const message = { kind: 'message' as const, subject: '', reply: undefined, headers: undefined, payload }
  const incoming = natsProxyMessage.decode({ ...message, copy: () => ({ ...message, copy: () => never() }) })
  return new ServiceContext(incoming, parseRoutePattern(pattern))
}

function never(): never {
  throw new Error('a copy is not copied again')
}
