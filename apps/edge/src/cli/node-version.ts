// SPDX-License-Identifier: Apache-2.0
import type { Logger } from '../log.ts'

const oldestInProduction = 22

/** Says so when Node itself gets no security fixes any more. */
export function warnAboutNode(log: Logger): void {
  const major = Number(process.versions.node.split('.')[0])
  if (major < oldestInProduction) {
    log.warn(
      { node: process.version },
      'this release of Node gets no security fixes any more; use 22, 24 or later in production',
    )
  }
}
