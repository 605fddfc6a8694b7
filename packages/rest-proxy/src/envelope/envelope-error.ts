// SPDX-License-Identifier: Apache-2.0

/** Bytes that are not the envelope they should be. The message says what is wrong and never repeats the bytes. */
export class EnvelopeError extends Error {
  override readonly name = 'EnvelopeError'
  readonly code = 'bad_envelope'
}
