// SPDX-License-Identifier: Apache-2.0
import type { Next, Part, Reply } from '../chain.ts'
import type { WsRequest } from '../request.ts'

/** A middleware that fits every channel, whatever its connections carry. */
export interface AnyMiddleware extends Part {
  <U>(request: WsRequest<U>, next: Next<U>): Reply
}
