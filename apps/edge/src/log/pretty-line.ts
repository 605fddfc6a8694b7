// SPDX-License-Identifier: Apache-2.0

const hidden: ReadonlySet<string> = new Set(['level', 'time', 'msg', 'err', 'requestId', 'surface'])

/** Turns one JSON log line into one short line for people, stack traces below it. */
export function prettyLine(json: string): string {
  const fields = parseFields(json)
  if (fields === undefined) return json
  const time = text(fields['time']).slice(11, 23)
  const head = `${time} ${text(fields['level']).toUpperCase().padEnd(5)}`
  if (fields['msg'] === 'request') return `${head} ${accessText(fields)}\n`
  const rest = Object.entries(fields).filter(([key]) => !hidden.has(key))
  const details = rest.map(([key, value]) => `${key}=${text(value)}`)
  return `${[head, text(fields['msg']), ...details].join(' ')}${stackOf(fields['err'])}\n`
}

function accessText(fields: Readonly<Record<string, unknown>>): string {
  const ms = Number(fields['ms']).toFixed(1)
  return [fields['method'], fields['route'], fields['status'], `${ms}ms`, fields['requestId']].map(text).join(' ')
}

function stackOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('stack' in error)) return ''
  return `\n${text(error.stack)}`
}

function parseFields(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

// Control characters of a logged value must not reach a terminal.
function text(value: unknown): string {
  if (value === undefined) return ''
  const plain = typeof value === 'string' ? value : JSON.stringify(value)
  // oxlint-disable-next-line no-control-regex -- they are what is being removed
  return plain.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\uFFFD')
}
