// SPDX-License-Identifier: Apache-2.0

const lineFeed = 10
const contentLength = 'content-length:'
const transferEncoding = 'transfer-encoding:'

/** Why a connection cannot be read any further. */
export type ResponseFault = 'malformed' | 'chunked' | 'too_long'

const longestHead = 64 * 1024

/**
 * Reads the answers of one keep-alive HTTP/1.1 connection just far enough to count them: status and Content-Length, one
 * byte loop over the head, bodies skipped by length. An answer to HEAD is not supported; a chunked one is a fault.
 */
export class HttpResponseParser {
  readonly #onResponse: (status: number) => void
  #fault: ResponseFault | undefined
  #column = 0
  #headBytes = 0
  #statusLine = true
  #status = 0
  #contentLength = 0
  #bodyLeft = 0
  // How much of each watched name the current line has matched; -1 when it cannot match any more.
  #lengthName = 0
  #encodingName = 0

  constructor(onResponse: (status: number) => void) {
    this.#onResponse = onResponse
  }

  /** Set once the bytes make no sense; nothing is read afterwards. */
  get fault(): ResponseFault | undefined {
    return this.#fault
  }

  /** Takes the next `length` bytes as they came; calls back for every response they complete. */
  push(bytes: Uint8Array, length: number = bytes.length): void {
    let at = 0
    while (at < length && this.#fault === undefined) {
      if (this.#bodyLeft > 0) at += this.#skipBody(length - at)
      else this.#headByte(bytes[at++] ?? 0)
    }
  }

  #skipBody(available: number): number {
    const skipped = Math.min(available, this.#bodyLeft)
    this.#bodyLeft -= skipped
    if (this.#bodyLeft === 0) this.#complete()
    return skipped
  }

  #headByte(byte: number): void {
    this.#headBytes += 1
    if (this.#headBytes > longestHead) this.#fault = 'too_long'
    else if (byte === lineFeed) this.#endLine()
    else if (this.#statusLine) this.#statusByte(byte)
    else this.#headerByte(byte)
  }

  // "HTTP/1.1 200 OK": the code is in columns 9 to 11.
  #statusByte(byte: number): void {
    if (this.#column < 9) {
      if ('HTTP/1.1 '.charCodeAt(this.#column) !== byte) this.#fault = 'malformed'
    } else if (this.#column < 12) {
      if (isDigit(byte)) this.#status = this.#status * 10 + byte - 48
      else this.#fault = 'malformed'
    }
    this.#column += 1
  }

  #headerByte(byte: number): void {
    if (this.#lengthName === contentLength.length) this.#lengthByte(byte)
    else if (this.#lengthName >= 0) this.#lengthName = nextMatch(contentLength, this.#lengthName, byte)
    if (this.#encodingName >= 0) {
      this.#encodingName = nextMatch(transferEncoding, this.#encodingName, byte)
      if (this.#encodingName === transferEncoding.length) this.#fault = 'chunked'
    }
    // A line of nothing but CR is the empty line.
    if (byte !== 13) this.#column += 1
  }

  #lengthByte(byte: number): void {
    if (isDigit(byte)) this.#contentLength = this.#contentLength * 10 + byte - 48
    else if (byte !== 32 && byte !== 13) this.#fault = 'malformed'
    if (this.#contentLength > Number.MAX_SAFE_INTEGER) this.#fault = 'malformed'
  }

  #endLine(): void {
    if (this.#statusLine) {
      if (this.#column < 12) this.#fault = 'malformed'
      this.#statusLine = false
    } else if (this.#column === 0) {
      this.#endHead()
      return
    }
    this.#column = 0
    this.#lengthName = 0
    this.#encodingName = 0
  }

  #endHead(): void {
    this.#bodyLeft = this.#status === 204 || this.#status === 304 ? 0 : this.#contentLength
    if (this.#bodyLeft === 0) this.#complete()
  }

  // A 1xx is no answer: the one that counts follows it.
  #complete(): void {
    const status = this.#status
    this.#column = 0
    this.#headBytes = 0
    this.#statusLine = true
    this.#status = 0
    this.#contentLength = 0
    if (status >= 200) this.#onResponse(status)
  }
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57
}

// Header names are compared without case: letters differ from their upper case by 0x20, ':' and '-' have that bit set.
function nextMatch(name: string, matched: number, byte: number): number {
  return name.charCodeAt(matched) === (byte | 0x20) ? matched + 1 : -1
}
