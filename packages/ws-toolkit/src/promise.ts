// SPDX-License-Identifier: Apache-2.0

/** Whether a value comes later: a promise, or whatever else has `then`. A message may have a member of that name. */
export function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
