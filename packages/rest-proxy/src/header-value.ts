// SPDX-License-Identifier: Apache-2.0

const tokenOnly = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const TAB = 9
const BLANK = 32
const DEL = 0x7f

/** Whether the text can be the name of an HTTP header. */
export function isHeaderName(name: string): boolean {
  return tokenOnly.test(name)
}

/** Whether the text holds what no header value may: CR, LF, NUL or another control character except TAB. */
export function hasControl(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if ((code < BLANK && code !== TAB) || code === DEL) return true
  }
  return false
}

/**
 * Any text as a header value that node:http and Response take: control characters become blanks, characters beyond
 * latin1 their UTF-8 bytes, one character each. Everything that leaves in a header passes here.
 */
export function headerValue(text: string): string {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0xff) return withoutControls(utf8AsLatin1(text))
  }
  return withoutControls(text)
}

/** Decoded text as its UTF-8 bytes, one latin1 character each: the form in which headers are written. */
export function utf8AsLatin1(text: string): string {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > DEL) return Buffer.from(text, 'utf8').toString('latin1')
  }
  return text
}

/** The text with blanks in place of control characters other than TAB. */
export function withoutControls(text: string): string {
  if (!hasControl(text)) return text
  let clean = ''
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    clean += (code < BLANK && code !== TAB) || code === DEL ? ' ' : text.charAt(index)
  }
  return clean
}
