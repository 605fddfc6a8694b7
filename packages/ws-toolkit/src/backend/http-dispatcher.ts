// SPDX-License-Identifier: Apache-2.0

/** Carries requests to an origin over its own connections: a Pool, Agent or Client of undici 7 or later, or `httpPool()`. */
export interface HttpDispatcher {
  dispatch(request: DispatchedRequest, handler: ResponseHandler): boolean
}

export interface DispatchedRequest {
  readonly origin?: string
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string | Buffer | null
  /** 0: the deadline is that of the backend. */
  readonly headersTimeout: number
  readonly bodyTimeout: number
}

/** Is told of one response; `onResponseError` and `onResponseEnd` are the last call. */
export interface ResponseHandler {
  onRequestStart(controller: ResponseController): void
  onResponseStart(controller: ResponseController, status: number, headers: ResponseHeaders): void
  onResponseData(controller: ResponseController, chunk: Buffer): void
  onResponseEnd(controller: ResponseController): void
  onResponseError(controller: ResponseController | null, error: Error): void
}

export interface ResponseController {
  abort(reason: Error): void
  pause(): void
  resume(): void
}

/** By lower-case name. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>
