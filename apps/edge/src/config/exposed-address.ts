// SPDX-License-Identifier: Apache-2.0
import { isLoopback } from '../listener/host-check.ts'
import type { Diagnostic } from './diagnostic.ts'
import type { ConfigNode, ConfigPath } from './tree.ts'
import { nodeAt } from './tree.ts'
import { parseAddress } from './value.ts'

/** Finds addresses beyond loopback that nothing protects; looked for even where the configuration has other faults. */
export function exposedAddresses(root: ConfigNode, insecure: boolean): readonly Diagnostic[] {
  const everybody =
    'where everybody could use NATS: nobody has to log in. Use a loopback address, or --insecure if that is meant'
  const token = nodeAt(root, ['listen', 'admin', 'token'])
  const embedded = nodeAt(root, ['embedded', 'enabled'])
  const isEmbedded = embedded?.kind === 'scalar' && embedded.value === true
  return [
    ...(insecure ? [] : exposed(root, ['listen', 'public', 'address'], everybody)),
    // Another broker may know users; the gateway looks.
    ...(insecure || !isEmbedded ? [] : exposed(root, ['listen', 'wire', 'address'], everybody)),
    ...(token === undefined
      ? exposed(root, ['listen', 'admin', 'address'], 'beyond loopback: set "listen.admin.token" too')
      : []),
  ]
}

function exposed(root: ConfigNode, path: ConfigPath, why: string): readonly Diagnostic[] {
  const node = nodeAt(root, path)
  if (node?.kind !== 'scalar' || typeof node.value !== 'string') return []
  const address = parseAddress(node.value)
  if (address === undefined || isLoopback(address.host)) return []
  const message = `"${path.join('.')}" is ${node.value}, ${why}`
  return [{ severity: 'error', code: 'config/public-without-auth', message, span: node.span, path }]
}
