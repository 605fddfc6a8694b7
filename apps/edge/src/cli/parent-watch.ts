// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'

const pollMs = 250

/**
 * Calls back once when a process this one was started by is gone: `npm start` that is killed must not leave a server
 * behind, and npm puts a shell between itself and the script. Returns how to stop watching.
 */
export function watchParents(onGone: () => void): () => void {
  const parent = process.ppid
  const grandparent = parentOf(parent)
  const timer = setInterval(() => {
    if (process.ppid === parent && parentOf(parent) === grandparent) return
    clearInterval(timer)
    onGone()
  }, pollMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** The parent of a process where the system tells it (Linux); undefined elsewhere. */
function parentOf(pid: number): number | undefined {
  try {
    // The name in parentheses may itself hold blanks and parentheses.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return Number(fields[1])
  } catch {
    return undefined
  }
}
