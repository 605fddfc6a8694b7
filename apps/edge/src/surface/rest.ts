// SPDX-License-Identifier: Apache-2.0
import { restProxy } from '@nats-edge/rest-proxy'
import type { RestProxy, RestProxyEvent, RestProxyOptions } from '@nats-edge/rest-proxy'
import type { Mount } from '../capability.ts'
import { OptionFault } from '../config/option-fault.ts'
import { restKeyOfOption } from '../config/rest-schema.ts'
import type { Logger } from '../log.ts'
import type { SurfaceContext } from './surface-context.ts'

/** The REST proxy at its place; throws OptionFault for an option it refuses. */
export function restMount({ config, bus, log, clientAddress }: SurfaceContext): Mount {
  const { path, ...own } = config.rest
  const { limits } = config
  const options: RestProxyOptions = {
    nats: bus,
    maxBodyBytes: limits.body.max,
    maxUrlBytes: limits.url.max,
    maxHeaderBytes: limits.headers.max,
    maxHeaders: limits.headers.count,
    ...(config.nats.requestTimeout === undefined ? {} : { timeoutMs: config.nats.requestTimeout }),
    ...own,
    clientIp: (c) => clientAddress.of(c.env.incoming),
    observe: (event) => logEvent(log, event),
  }
  const routes = own.routes?.length ?? 0
  const rest = own.defaultRoute === false ? 'no other path' : 'every other path by its name'
  return {
    surface: 'rest',
    path,
    pathKey: ['rest', 'path'],
    capability: checkedProxy(options),
    description: `HTTP to NATS; ${routes} routes and ${rest}`,
  }
}

function checkedProxy(options: RestProxyOptions): RestProxy {
  try {
    return restProxy(options)
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new OptionFault('rest', restKeyOfOption, error)
    throw error
  }
}

// The client gets a status and a code; why it came to that is for the operator.
function logEvent(log: Logger, event: RestProxyEvent): void {
  if (event.type !== 'request.failed') return
  const { requestId, route, code, cause } = event
  if (event.status === 500 || event.status === 502) log.warn({ requestId, route, code, err: cause }, 'request failed')
  else log.debug({ requestId, route, code }, 'request failed')
}
