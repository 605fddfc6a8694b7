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

/** Servers differ in capital letters. */
function codeAfter(lastError: string | undefined): number | undefined {
  const text = lastError?.toLowerCase() ?? ''
  return codes.find(([start]) => text.startsWith(start))?.[1]
}

/** The close code nats-server itself uses after such an `-ERR`; 1001 where it went without a word. */
export function webSocketCodeOf(lastError: string | undefined): number {
  return codeAfter(lastError) ?? 1001
}

/** Whether nats-server closes the connection after such an `-ERR`. */
export function closesConnection(lastError: string | undefined): boolean {
  return codeAfter(lastError) !== undefined && !/^maximum subscriptions/i.test(lastError ?? '')
}
