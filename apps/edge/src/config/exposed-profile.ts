// SPDX-License-Identifier: Apache-2.0
import type { Diagnostic } from './diagnostic.ts'
import type { ConfigNode } from './tree.ts'
import { nodeAt } from './tree.ts'

const path = ['listen', 'admin', 'profiles']

/** Finds profiles that no token protects; loopback does not either, as every user of the machine reaches it. */
export function exposedProfiles(root: ConfigNode): readonly Diagnostic[] {
  const node = nodeAt(root, path)
  const token = nodeAt(root, ['listen', 'admin', 'token'])
  if (node?.kind !== 'scalar' || node.value !== true || token !== undefined) return []
  const message = `"${path.join('.')}" is true, and profiles hold what is in memory: set "listen.admin.token" too`
  return [{ severity: 'error', code: 'config/public-without-auth', message, span: node.span, path }]
}
