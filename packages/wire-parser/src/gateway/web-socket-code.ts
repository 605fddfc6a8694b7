// SPDX-License-Identifier: Apache-2.0

const codes: readonly (readonly [text: string, code: number])[] = [
  ['maximum payload violation', 1009],
  ['unknown protocol operation', 1002],
  ['maximum control line exceeded', 1002],
  ['message headers not supported', 1002],
  ['stale connection', 1001],
  ['auth', 1008],
  ['user auth', 1008],
  ['account auth', 1008],
  ['maximum', 1008],
  ['slow consumer', 1008],
  ['invalid client protocol', 1002],
  ['no responders requires headers support', 1002],
]

/**
 * The close code nats-server itself uses after such an `-ERR`; 1001 where it went without a word. Servers differ in
 * capital letters.
 */
export function webSocketCodeOf(lastError: string | undefined): number {
  const text = lastError?.toLowerCase() ?? ''
  return codes.find(([start]) => text.startsWith(start))?.[1] ?? 1001
}
