// The packed package in every bundler: a session goes live in Chromium, with no configuration anywhere.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { hosts, run } from './hosts.js'
import { launch, packed, thread } from './support.js'

const LIVE_WITHIN = 60_000
/** @type {import('playwright-core').Browser} */
let browser
/** @type {Awaited<ReturnType<typeof packed>>} */
let app
/** @type {Awaited<ReturnType<typeof thread>>} */
let chat
/** @type {{ host: string, live: string, wasm: string }[]} */
const table = []

before(async () => {
  ;[browser, app, chat] = await Promise.all([launch(), packed(), thread()])
})
after(async () => {
  await browser?.close()
  console.table(table)
})

for (const { name, install, inside = false, serve } of hosts) {
  test(name, async () => {
    const served = await serve(await app(name, install))
    const context = await browser.newContext()
    try {
      const page = await context.newPage()
      /** @type {string[]} */
      const said = []
      page.on('pageerror', (error) => said.push(String(error)))
      page.on('console', (message) => message.type() === 'error' && said.push(`${message.text()} ${message.location().url}`))
      await page.addInitScript((options) => {
        Object.assign(globalThis, { chat: options })
        // Told even where the page catches what comes of it.
        addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => console.error(effectiveDirective, blockedURI))
      }, chat.options)
      const start = Date.now()
      await page.goto(served.url)
      await page.waitForFunction(() => document.title === 'live', undefined, { timeout: LIVE_WITHIN }).catch((error) => {
        throw new Error(`${error.message}\n${said.join('\n')}`)
      })
      const loaded = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name))
      assert.ok(loaded.filter((url) => /core_bg/.test(url)).length <= 1, 'asked for once')
      assert.equal(loaded.some((url) => /inline/.test(url)), inside)
      table.push({ host: name, live: `${Date.now() - start} ms`, wasm: inside ? 'the copy inside' : 'a file of its own' })
      // A missing wasm is asked for once, and is no failure: the copy inside serves.
      assert.deepEqual(said.filter((line) => !/core_bg|favicon/.test(line)), [])
    } finally {
      await context.close()
      await served.end()
    }
  })
}

test('Vitest', async () => {
  const dir = await app('vitest')
  await writeFile(
    join(dir, 'chat.test.js'),
    `import { expect, test } from 'vitest'
import init, { ChatSession, threadId } from 'chopped-chat'
test('loads', async () => {
  await init()
  expect(threadId('b', 'a')).toBe('a__b')
  expect(() => new ChatSession({})).toThrow(/otherMongoId|myMongoId/)
})
`,
  )
  await run(process.execPath, [join(import.meta.dirname, 'node_modules/vitest/vitest.mjs'), 'run', '--root', dir], { cwd: dir })
  table.push({ host: 'Vitest', live: 'no browser', wasm: 'the copy inside' })
})
