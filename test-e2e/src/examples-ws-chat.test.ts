// SPDX-License-Identifier: Apache-2.0
import { startNatsServer, type NatsServer } from '@nats-edge/embedded-nats'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import { start } from '../../examples/ws-chat/start.js'
import { describeInChromium, launchChromium } from './support/chromium.ts'
import { patience } from './support/program.ts'
import { WsClient } from './ws/ws-client.ts'

const binary = inject('natsServers').at(-1)

describeInChromium('examples/ws-chat in Chromium', () => {
  let broker: NatsServer
  let chat: Awaited<ReturnType<typeof start>>
  let browser: Browser
  const faults: string[] = []

  beforeAll(async () => {
    broker = await startNatsServer(binary === undefined ? {} : { binary })
    ;[chat, browser] = await Promise.all([start({ natsUrl: broker.url, port: 0, edgePorts: [0, 0] }), launchChromium()])
  })

  afterAll(async () => {
    await browser.close()
    await chat.stop()
    await broker.stop()
  })

  async function open(edge: number, name: string): Promise<Page> {
    const page = await browser.newPage()
    page.on('pageerror', (error) => faults.push(error.message))
    await page.goto(`${chat.url}/?edge=${edge}`)
    await page.fill('#name', name)
    await state(page, `connected to ${chat.edges[edge]?.host}`)
    return page
  }

  async function state(page: Page, expected: string | RegExp): Promise<void> {
    await expect.poll(() => page.textContent('#state'), patience).toMatch(expected)
  }

  async function say(page: Page, text: string): Promise<void> {
    await page.fill('#text', text)
    await page.press('#text', 'Enter')
  }

  function heard(page: Page): Promise<string[]> {
    return page.locator('#messages li').allTextContents()
  }

  async function hears(page: Page, line: string): Promise<void> {
    await expect.poll(() => heard(page), patience).toContain(line)
  }

  /** Speaks until it is heard: whoever has just connected may not be in the room yet. */
  async function reaches(speak: () => unknown, page: Page, line: string): Promise<void> {
    const isHeard = async (): Promise<boolean> => {
      if (!(await heard(page)).includes(line)) await speak()
      return (await heard(page)).includes(line)
    }
    await vi.waitUntil(isHeard, { ...patience, interval: 200 })
  }

  it('lets pages on two edges talk, and goes on when one edge is killed', async () => {
    const [ada, bob] = await Promise.all([open(0, 'ada'), open(1, 'bob')])
    await reaches(() => say(ada, 'hello <b>bob</b>'), bob, 'ada: hello <b>bob</b>')
    await hears(ada, 'ada: hello <b>bob</b>')
    await reaches(() => say(bob, 'hello ada'), ada, 'bob: hello ada')
    await hears(bob, 'bob: hello ada')

    const states: string[] = []
    await ada.exposeFunction('note', (text: string) => void states.push(text))
    await ada.evaluate(`
      const shown = document.getElementById('state')
      new MutationObserver(() => note(shown.textContent)).observe(shown, { childList: true })
    `)
    const [first, second] = chat.edges
    process.kill(first?.pid ?? 0, 'SIGKILL')
    await say(bob, 'still here')
    await hears(bob, 'bob: still here')
    expect(await bob.textContent('#state')).toBe(`connected to ${second?.host}`)
    await state(ada, `connected to ${second?.host}`)
    await expect.poll(() => states, patience).toContain(`${first?.host} is gone (1006); trying ${second?.host}`)
    await say(ada, 'back again')
    await Promise.all([hears(ada, 'ada: back again'), hears(bob, 'ada: back again')])
    expect(faults).toEqual([])
  })

  it('lets no page from elsewhere in', async () => {
    const url = `http://${chat.edges[1]?.host}/ws/chat/lobby`
    await expect(WsClient.open(url, { origin: 'http://127.0.0.1:1' })).rejects.toThrow('status 403')
    const client = await WsClient.open(url, { origin: chat.url })
    const page = await open(1, 'eve')
    await reaches(() => client.send('{"from":"a program","text":"hi"}'), page, 'a program: hi')
    await vi.waitUntil(() => client.texts.length > 0, patience)
    client.end()
  })
})
