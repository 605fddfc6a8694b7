// SPDX-License-Identifier: Apache-2.0

/** Where a gateway of a wire row listens on 127.0.0.1. */
export interface WirePorts {
  readonly tcp: number
  readonly ws: number
}

export interface WireUrls {
  readonly tcp: string
  readonly ws: string
}

/** Reads what a gateway announced; throws TypeError where it is no ports. */
export function parsePorts(value: unknown): WirePorts {
  const { tcp, ws } = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    Record<'tcp' | 'ws', unknown>
  >
  if (typeof tcp !== 'number' || typeof ws !== 'number') throw new TypeError('the gateway did not say where it listens')
  return { tcp, ws }
}

export function wireUrls({ tcp, ws }: WirePorts): WireUrls {
  return { tcp: `nats://127.0.0.1:${tcp}`, ws: `ws://127.0.0.1:${ws}/nats` }
}
