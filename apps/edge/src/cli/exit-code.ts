// SPDX-License-Identifier: Apache-2.0

/** What the process ends with. */
export const exitCode = {
  done: 0,
  failure: 1,
  usage: 2,
  unreachable: 3,
  internal: 70,
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]
