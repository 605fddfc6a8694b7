// SPDX-License-Identifier: Apache-2.0

/**
 * How much of what was written the system has not taken yet. Only the handle of a socket knows it within a write; without
 * it progress is seen write by write.
 */
export function writeQueueSize(socket: object): number {
  const handle: unknown = Reflect.get(socket, '_handle')
  if (typeof handle !== 'object' || handle === null) return 0
  const size: unknown = Reflect.get(handle, 'writeQueueSize')
  return typeof size === 'number' ? size : 0
}
