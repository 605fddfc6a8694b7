// SPDX-License-Identifier: Apache-2.0
export { framingFault, type FramingFault } from './upgrade/framing.ts'
export { rawRequest, type RawRequest } from './upgrade/raw-request.ts'
