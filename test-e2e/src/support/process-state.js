// SPDX-License-Identifier: Apache-2.0
// What a program under test holds beside its own numbers, after a collection; it needs --expose-gc.
import { readdirSync } from 'node:fs'

/** Counts what must be back at its start when nobody is connected; `emitters` besides the process itself. */
export function heldByProcess(emitters = []) {
  const resources = process.getActiveResourcesInfo()
  const count = (type) => resources.filter((resource) => resource === type).length
  return {
    sockets: count('TCPSocketWrap'),
    connecting: count('TCPConnectWrap'),
    writing: count('WriteWrap') + count('ShutdownWrap'),
    timers: count('Timeout') + count('Immediate'),
    listeners: [process, ...emitters].reduce((sum, emitter) => sum + listenersOf(emitter), 0),
    descriptors: descriptors(),
  }
}

/** Its memory in bytes; -1 while there is no descriptor left to find out. */
export function memoryOfProcess() {
  globalThis.gc()
  try {
    const { heapUsed, rss, arrayBuffers } = process.memoryUsage()
    return { heapBytes: heapUsed, residentBytes: rss, bufferBytes: arrayBuffers }
  } catch {
    return { heapBytes: -1, residentBytes: -1, bufferBytes: -1 }
  }
}

function listenersOf(emitter) {
  return emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0)
}

/** -1 where nobody tells. */
function descriptors() {
  try {
    return readdirSync('/proc/self/fd').length - 1
  } catch {
    return -1
  }
}
