// SPDX-License-Identifier: Apache-2.0
import type { Mount } from '../capability.ts'
import { restMount } from './rest.ts'
import type { SurfaceContext } from './surface-context.ts'
import { wireMounts } from './wire.ts'
import { wsMounts } from './ws.ts'

/** Every surface the configuration names; throws OptionFault for an option that its package refuses. */
export function configuredMounts(context: SurfaceContext): readonly Mount[] {
  return [restMount(context), ...wireMounts(context), ...wsMounts(context)]
}
