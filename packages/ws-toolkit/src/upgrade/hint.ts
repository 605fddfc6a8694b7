// SPDX-License-Identifier: Apache-2.0
import { hintHeader, hintText } from './refusal.ts'

// More of a body is never read: a hint is one header line.
const maxHintBytes = 4096

/** Moves the words of a refusal into the hint header, for a host that sends no body with a refused upgrade. */
export async function bodyToHint(response: Response): Promise<Response> {
  const headers = new Headers(response.headers)
  if (response.body !== null && !headers.has(hintHeader)) {
    const hint = hintText(wordsOf(await textOf(response.body)))
    if (hint !== '') headers.set(hintHeader, hint)
  } else {
    await response.body?.cancel()
  }
  return new Response(null, { status: response.status, headers })
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop early cancels the stream.
  for await (const chunk of body) {
    chunks.push(chunk)
    bytes += chunk.byteLength
    if (bytes >= maxHintBytes) break
  }
  return Buffer.concat(chunks).toString('utf8', 0, maxHintBytes)
}

function wordsOf(text: string): string {
  try {
    const problem: unknown = JSON.parse(text)
    if (typeof problem !== 'object' || problem === null) return text
    if ('detail' in problem && typeof problem.detail === 'string') return problem.detail
    return 'title' in problem && typeof problem.title === 'string' ? problem.title : text
  } catch {
    return text
  }
}
