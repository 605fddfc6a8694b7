// SPDX-License-Identifier: Apache-2.0
import type { BusStatus } from '../message-bus.ts'

interface Entry {
  readonly listener: (status: BusStatus) => void
}

/** Who wants to know about a bus; one that throws is reported to the others and harms nobody. */
export class StatusListeners {
  readonly #entries = new Set<Entry>()
  readonly #changed: (anybody: boolean) => void

  /** `changed` is called when the first one comes and when the last one goes. */
  constructor(changed: (anybody: boolean) => void) {
    this.#changed = changed
  }

  add(listener: (status: BusStatus) => void): () => void {
    const entry = { listener }
    this.#entries.add(entry)
    if (this.#entries.size === 1) this.#changed(true)
    return () => {
      if (this.#entries.delete(entry) && this.#entries.size === 0) this.#changed(false)
    }
  }

  tell(status: BusStatus): void {
    for (const entry of this.#entries) {
      try {
        entry.listener(status)
      } catch (error) {
        // A listener that throws on `failed` itself has had its say.
        if (status.type !== 'failed') this.tell({ type: 'failed', error })
      }
    }
  }
}
