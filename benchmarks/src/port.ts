// SPDX-License-Identifier: Apache-2.0

/** Reads the port a server has announced. */
export function parsePort(value: unknown): number {
  const port: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'port') : undefined
  if (typeof port !== 'number') throw new TypeError('the server did not say which port it listens on')
  return port
}
