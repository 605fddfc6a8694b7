// SPDX-License-Identifier: Apache-2.0

const titles: ReadonlyMap<number, string> = new Map([
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [409, 'Conflict'],
  [410, 'Gone'],
  [412, 'Precondition Failed'],
  [413, 'Payload Too Large'],
  [415, 'Unsupported Media Type'],
  [422, 'Unprocessable Content'],
  [429, 'Too Many Requests'],
  [500, 'Internal Server Error'],
  [501, 'Not Implemented'],
  [502, 'Bad Gateway'],
  [503, 'Service Unavailable'],
  [504, 'Gateway Timeout'],
])

export interface Problem {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly requestId: string | undefined
}

/** The document of RFC 9457 as JSON. */
export function problemJson({ status, code, detail, requestId }: Problem): string {
  const title = titles.get(status) ?? 'Error'
  return JSON.stringify({ type: 'about:blank', title, status, code, detail, requestId })
}
