// SPDX-License-Identifier: Apache-2.0
import type { Pattern } from '@nats-edge/wire-parser'

/**
 * Orders patterns by how exact they are, token by token from the left: a literal before `*` before `>`. Negative if `a`
 * comes first.
 */
export function compareExactness(a: Pattern, b: Pattern): number {
  const left = a.split('.')
  const right = b.split('.')
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = rank(left[index]) - rank(right[index])
    if (difference !== 0) return difference
  }
  return 0
}

function rank(token: string | undefined): number {
  if (token === '*') return 1
  return token === '>' ? 2 : 0
}
