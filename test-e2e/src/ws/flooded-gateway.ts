// SPDX-License-Identifier: Apache-2.0
import { residentBytes } from '../support/program.ts'
import { GatewayProcess } from '../wire/faults/gateway-process.ts'
import { frame, opcodes, RawFrames } from '../wire/raw-frames.ts'

const program = new URL('echo-program.js', import.meta.url)
// What is kept of a million small frames would be several times as much.
const residentBound = 60_000_000

/** A gateway of channels with the limits of the package, in a process of its own. */
export class FloodedGateway {
  readonly url: string
  readonly #gateway: GatewayProcess
  #answered = 0
  #isOver = false
  #mostResident = 0

  private constructor(gateway: GatewayProcess) {
    this.#gateway = gateway
    this.url = gateway.addresses.ws.replace(/nats$/, 'raw')
  }

  static async start(host: string): Promise<FloodedGateway> {
    return new FloodedGateway(await GatewayProcess.start({ host, isLimited: true }, { program }))
  }

  /**
   * Attacks so often, and until another client was answered meanwhile; gives the codes of the connections that were
   * closed. Nothing may be left of the attacks, and little may be held of them.
   */
  async survives(attack: () => Promise<unknown>, rounds = 1): Promise<readonly string[]> {
    const asking = await RawFrames.to(this.url)
    asking.send(frame('warm', { opcode: opcodes.text }))
    await asking.until('warm')
    // The first of them makes what is made once.
    await attack()
    const before = await this.#gateway.settled(({ held }) => held['sockets'] === 1)
    const resident = residentBytes(this.#gateway.pid)
    this.#mostResident = 0
    this.#answered = 0
    this.#isOver = false
    const asked = this.#ask(asking)
    for (let done = 0; done < rounds || this.#answered < 5; done++) await attack()
    this.#isOver = true
    await asked
    const after = await this.#gateway.settled(({ held }) => JSON.stringify(held) === JSON.stringify(before.held))
    const [was, is] = [before, after].map(({ held }) => JSON.stringify(held))
    if (is !== was) throw new Error(`left behind: ${is}, at the start ${was}`)
    const grown = this.#mostResident - resident
    if (grown > residentBound) throw new Error(`the process grew by ${grown} bytes`)
    asking.socket.destroy()
    await this.#gateway.settled(({ held }) => held['sockets'] === 0)
    return Object.keys(after.closed).filter((code) => after.closed[code] !== before.closed[code])
  }

  /** Resolves when nobody is connected any more but who asks beside the attacks. */
  async isRidOfAllButOne(): Promise<void> {
    await this.#gateway.settled(({ held }) => held['sockets'] === 1)
  }

  end(): Promise<number | null> {
    return this.#gateway.end()
  }

  async #ask(client: RawFrames): Promise<void> {
    while (!this.#isOver) {
      this.#mostResident = Math.max(this.#mostResident, residentBytes(this.#gateway.pid))
      const question = `question ${this.#answered};`
      client.send(frame(question, { opcode: opcodes.text }))
      await client.until(question)
      this.#answered += 1
      // It keeps to its own rate.
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

export type Poured = 'taken' | 'closed' | 'stuck'

/** Writes until it is all taken, the client is told to go or cut, or nothing was taken for so long that nothing will be. */
export async function pour(client: RawFrames, bytes: Buffer, times: number): Promise<Poured> {
  const hasEnded = (): boolean => client.isClosed || client.closeCode > 0
  for (let done = 0; done < times && !hasEnded(); done++) {
    if (client.socket.write(bytes)) continue
    const end = performance.now() + 300
    while (client.socket.writableLength > 0 && !hasEnded()) {
      if (performance.now() > end) return 'stuck'
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  return hasEnded() ? 'closed' : 'taken'
}
