// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'

/** How a process ended: exactly one of the two is set. */
export interface ProcessExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A child process that ends when its parent does, whatever ended the parent. */
export interface WatchedProcess {
  readonly pid: number
  /** Settles when the process has ended and all it wrote has been read. */
  readonly exited: Promise<ProcessExit>
  /** Sends a signal to the process alone; false when it is gone. */
  kill(signal: NodeJS.Signals): boolean
  /** Sends a signal to the process and all it started; false when the process is gone. */
  end(signal: 'SIGTERM' | 'SIGCONT' | 'SIGKILL'): boolean
}

/** What to run under the watchdog. */
export interface WatchedCommand {
  readonly path: string
  readonly args: readonly string[]
  /** A folder the watchdog removes after it had to end the process. */
  readonly scratchDir: string
  readonly onOutput: (stream: Readable) => void
}

// The shell starts the watchdog and then becomes the command itself, so that pid, signals and exit code are the command's own.
// The watchdog waits on descriptor 3, whose other end only the parent holds: end of file means that the parent is gone. It
// stays in the command's process group: no other process can be given the number of a group that has a member, so its signals
// never reach a stranger. Nobody may reap the broker once the parent is gone (an init that does not, in a container), so a
// zombie counts as gone, where /proc tells. It keeps none of the command's output open, and it ends with the group in its last line.
const script = `
scratch=$1
shift
(
  trap '' HUP INT TERM
  read -r word <&3
  kill -s TERM 0
  kill -s CONT 0
  i=0
  while [ $i -lt 10 ] && kill -s 0 $$; do
    read -r status </proc/$$/stat && case $status in *') Z '*) break ;; esac
    sleep 0.05 || i=10
    i=$((i + 1))
  done
  kill -s KILL $$
  rm -rf -- "$scratch"
  kill -s KILL 0
) </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-
`

/** Starts a command in a process group of its own, with a watchdog beside it that ends it when this process is gone. */
export function spawnWatched(command: WatchedCommand): Promise<WatchedProcess> {
  const child = spawn(
    '/bin/sh',
    ['-c', script, 'nats-edge-watchdog', command.scratchDir, command.path, ...command.args],
    {
      // A group of its own: Ctrl-C in a terminal must reach the parent first, which then stops the broker in order.
      detached: true,
      // Node creates the pipes close-on-exec, so no other child of this process holds the watchdog's pipe open.
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    },
  )
  const leash = child.stdio[3]
  leash?.on('error', () => {})
  if (child.stdout) command.onOutput(child.stdout)
  if (child.stderr) command.onOutput(child.stderr)
  // What is left of the group is the watchdog, and the server of a wrapper script that did not exec it.
  child.once('exit', () => {
    signalGroup(child, 'SIGKILL')
    leash?.destroy()
  })
  return started(child)
}

function started(child: ChildProcess): Promise<WatchedProcess> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('spawn', () => {
      const { pid } = child
      if (pid === undefined) return reject(new Error('the process has no id'))
      const exited = new Promise<ProcessExit>((ended) => {
        child.once('close', (code, signal) => ended({ code, signal }))
      })
      const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null
      resolve({
        pid,
        exited,
        kill: (signal) => child.kill(signal),
        end: (signal) => !isOver() && signalGroup(child, signal),
      })
    })
  })
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): boolean {
  try {
    return pid !== undefined && process.kill(-pid, signal)
  } catch {
    // Nothing is left of the group.
    return false
  }
}
