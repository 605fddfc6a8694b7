// SPDX-License-Identifier: Apache-2.0

/** What the harness sends to a process it started. */
export interface Command {
  readonly id: number
  readonly command: string
  readonly params: unknown
}

/** What a process answers: to a command by its id, or once, unasked, that it is ready. */
export type Answer =
  | { readonly type: 'ready'; readonly value: unknown }
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly text: string }

/** Answers the named commands over the IPC channel; others are left to other listeners. */
export function answerCommands(handlers: Readonly<Record<string, (params: unknown) => unknown>>): void {
  process.on('message', (message) => {
    const command = parseCommand(message)
    const handler = command && Object.hasOwn(handlers, command.command) ? handlers[command.command] : undefined
    if (command !== undefined && handler !== undefined) void answer(command, handler)
  })
}

/** Tells the harness that work may begin, and what it needs to know, e.g. the port; lives on until it is stopped. */
export function announceReady(value?: unknown): void {
  process.channel?.ref()
  // A profile is written by an orderly exit only.
  process.once('SIGTERM', () => process.exit(0))
  tell({ type: 'ready', value })
}

export function parseCommand(message: unknown): Command | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  const { id, command, params } = message as Partial<Record<keyof Command, unknown>>
  return typeof id === 'number' && typeof command === 'string' ? { id, command, params } : undefined
}

export function parseAnswer(message: unknown): Answer | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  const { type, id, value, text } = message as Partial<Record<'type' | 'id' | 'value' | 'text', unknown>>
  if (type === 'ready') return { type, value }
  if (typeof id !== 'number') return undefined
  if (type === 'result') return { type, id, value }
  return type === 'failure' ? { type, id, text: String(text) } : undefined
}

async function answer(command: Command, handler: (params: unknown) => unknown): Promise<void> {
  try {
    tell({ type: 'result', id: command.id, value: await handler(command.params) })
  } catch (error) {
    tell({
      type: 'failure',
      id: command.id,
      text: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
  }
}

function tell(answer: Answer): void {
  // Without a harness (started by hand) there is nobody to tell.
  process.send?.(answer)
}
