// SPDX-License-Identifier: Apache-2.0

// Written out: the service library loads no HTTP code, and both ends should call an error the same.
const titles: ReadonlyMap<number, string> = new Map([
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [402, 'Payment Required'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [406, 'Not Acceptable'],
  [408, 'Request Timeout'],
  [409, 'Conflict'],
  [410, 'Gone'],
  [411, 'Length Required'],
  [412, 'Precondition Failed'],
  [413, 'Payload Too Large'],
  [414, 'URI Too Long'],
  [415, 'Unsupported Media Type'],
  [416, 'Range Not Satisfiable'],
  [417, 'Expectation Failed'],
  [421, 'Misdirected Request'],
  [422, 'Unprocessable Content'],
  [423, 'Locked'],
  [424, 'Failed Dependency'],
  [425, 'Too Early'],
  [426, 'Upgrade Required'],
  [428, 'Precondition Required'],
  [429, 'Too Many Requests'],
  [431, 'Request Header Fields Too Large'],
  [451, 'Unavailable For Legal Reasons'],
  [500, 'Internal Server Error'],
  [501, 'Not Implemented'],
  [502, 'Bad Gateway'],
  [503, 'Service Unavailable'],
  [504, 'Gateway Timeout'],
  [507, 'Insufficient Storage'],
  [508, 'Loop Detected'],
])

export interface Problem {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly requestId: string | undefined
  /** Added at the end. */
  readonly members?: Readonly<Record<string, string | number>> | undefined
}

/** The document of RFC 9457 as JSON. */
export function problemJson({ status, code, detail, requestId, members }: Problem): string {
  const title = titles.get(status) ?? 'Error'
  return JSON.stringify({ type: 'about:blank', title, status, code, detail, requestId, ...members })
}
