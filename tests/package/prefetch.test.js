// What leaves before the WebAssembly is there, in real Chromium against the stand-in: asked once, and taken over.
import assert from 'node:assert/strict'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { build } from 'esbuild'
import { serveFiles } from './hosts.js'
import { launch, packed, thread } from './support.js'

const PAGE = join(import.meta.dirname, 'page')
/** The backend is a part of the page here, which counts what it is asked. */
const SOURCE = `import * as chat from 'chopped-chat'
globalThis.chat = chat
globalThis.calls = []
globalThis.backed = ({ token, threadId, life = 3600, ...options }) => ({
  ...options,
  getToken: async () => {
    calls.push('token')
    return { access_token: token, expires_in: life }
  },
  ensureThread: async () => {
    calls.push('ensure')
    return { thread_id: threadId }
  },
})
`

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Awaited<ReturnType<typeof serveFiles>>} */
let files
before(async () => {
  browser = await launch()
  const dir = await (await packed())('prefetch')
  await writeFile(join(dir, 'page.js'), SOURCE)
  await build({ entryPoints: { main: join(dir, 'page.js') }, outdir: join(dir, 'dist'), bundle: true, format: 'esm', logLevel: 'error' })
  await copyFile(join(PAGE, 'index.html'), join(dir, 'dist/index.html'))
  await copyFile(join(dir, 'node_modules/chopped-chat/core_bg.wasm'), join(dir, 'dist/core_bg.wasm'))
  files = await serveFiles(join(dir, 'dist'))
})
after(async () => {
  await browser?.close()
  files?.end()
})

/** A page whose WebAssembly comes when `load` is called, and what it has asked for meanwhile. */
async function visit() {
  const { options: plain, threadId, other } = await thread()
  for (const body of ['one', 'two', 'three']) await other.says(body)
  const options = { ...plain, threadId }
  const context = await browser.newContext()
  const page = await context.newPage()
  /** @type {string[]} */
  const errors = []
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.location().url.includes('favicon')) errors.push(`${message.text()} ${message.location().url}`)
  })
  /** @type {string[]} */
  const asked = []
  page.on('request', (request) => {
    if (request.method() === 'POST' && request.url().includes('/list_chat_messages')) asked.push('page')
  })
  page.on('websocket', () => asked.push('socket'))
  /** @type {() => void} */
  let load = () => {}
  const released = new Promise((done) => (load = () => done(undefined)))
  await page.route('**/core_bg.wasm', async (route) => {
    await released
    await route.continue()
  })
  await page.goto(files.url)
  await page.waitForFunction(() => globalThis.chat)
  const counts = async () => {
    const all = [...asked, ...(await page.evaluate(() => calls))]
    return Object.fromEntries(['token', 'ensure', 'socket', 'page'].map((what) => [what, all.filter((one) => one === what).length]))
  }
  const prefetch = (more = {}) => page.evaluate((options) => void chat.prefetch(backed(options)), { ...options, ...more })
  const untilAsked = async () => {
    while (Object.values(await counts()).includes(0)) await new Promise((done) => setTimeout(done, 10))
  }
  /** Opens the chat and waits until it is live. */
  const live = () =>
    page.evaluate(async (options) => {
      await chat.default()
      const session = new chat.ChatSession(backed(options))
      await session.open()
      while (session.getSnapshot().status !== 'live') await new Promise((done) => setTimeout(done, 10))
      return session.getSnapshot().messages.map(({ body }) => body)
    }, options)
  return { page, options, counts, untilAsked, prefetch, load, live, errors, end: () => context.close() }
}

const SAID = ['one', 'two', 'three']

test('everything a chat starts with is asked for once, before the WebAssembly is there', async () => {
  const { counts, untilAsked, prefetch, load, live, errors, end } = await visit()
  // Twice, as StrictMode or two components would.
  await prefetch()
  await prefetch()
  await untilAsked()
  assert.deepEqual(await counts(), { token: 1, ensure: 1, socket: 1, page: 1 })
  load()
  assert.deepEqual(await live(), SAID)
  // And again where a chat is open, which has all that it needs.
  await prefetch()
  const { page, ...once } = await counts()
  assert.deepEqual(once, { token: 1, ensure: 1, socket: 1 })
  assert.ok(page <= 2, 'one more read, behind the join')
  assert.deepEqual(errors, [])
  await end()
})

test('what is said between the early page and the join is there', async () => {
  const { page, options, untilAsked, prefetch, load, live, end } = await visit()
  await prefetch()
  await untilAsked()
  await page.waitForTimeout(300)
  await page.evaluate(async ({ supabaseUrl, supabaseAnonKey, token, threadId, myMongoId, otherMongoId }) => {
    const headers = { apikey: supabaseAnonKey, authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const body = { _thread_id: threadId, _sender_mongo_id: myMongoId, _recipient_mongo_id: otherMongoId, _body: 'four' }
    await fetch(`${supabaseUrl}/rest/v1/rpc/insert_chat_message`, { method: 'POST', headers, body: JSON.stringify(body) })
  }, options)
  load()
  await live()
  await page.waitForFunction((options) => {
    globalThis.again ??= new chat.ChatSession(backed(options))
    void again.open()
    return again.getSnapshot().messages.map(({ body }) => body).join() === 'one,two,three,four'
  }, options)
  await end()
})

for (const [name, wanted, forget] of /** @type {[string, object, (page: any, options: object) => Promise<unknown>][]} */ ([
  ['is too old after ten seconds', { token: 2, ensure: 2, socket: 2 }, (page) => page.clock.runFor(11_000)],
  ['is gone with whoever signs out', { token: 2, ensure: 2, socket: 2 }, (page) => page.evaluate(() => void chat.signOut())],
  // Whose own were asked for as well, and a socket is nobody's.
  ['is gone where another person comes', { token: 3, ensure: 3, socket: 2 }, (page, options) => page.evaluate((options) => void chat.prefetch(backed({ ...options, myMongoId: 'f'.repeat(24) })), options)],
])) {
  test(`what nobody took over ${name}`, async () => {
    const { page, options, counts, untilAsked, prefetch, load, live, end } = await visit()
    await page.clock.install()
    await prefetch()
    await untilAsked()
    await forget(page, options)
    await page.clock.resume()
    load()
    assert.deepEqual(await live(), SAID)
    const { page: _, ...all } = await counts()
    assert.deepEqual(all, wanted)
    await end()
  })
}

test('a token that comes after its person signed out asks for no page', async () => {
  const { page, options, counts, end } = await visit()
  await page.evaluate(async (options) => {
    const { getToken, ...others } = backed(options)
    let answer = () => {}
    const slow = new Promise((done) => (answer = () => done(getToken())))
    void chat.prefetch({ ...others, getToken: () => slow })
    void chat.signOut()
    answer()
    await new Promise((done) => setTimeout(done, 300))
  }, options)
  assert.deepEqual([(await counts()).token, (await counts()).page], [1, 0])
  await end()
})

test('a token that left early is as old as its request', async () => {
  const { page, options, prefetch, load, end } = await visit()
  const told = page.evaluate(async (options) => {
    const backend = backed({ ...options, life: 3 })
    void chat.prefetch(backend)
    await new Promise((done) => setTimeout(done, 1500))
    await chat.default()
    const session = new chat.ChatSession(backend)
    await session.open()
    const opened = calls.filter((what) => what === 'token').length
    // Renewed when a third of its life is left.
    await new Promise((done) => setTimeout(done, 1000))
    return { opened, renewed: calls.filter((what) => what === 'token').length > opened }
  }, options)
  load()
  assert.deepEqual(await told, { opened: 1, renewed: true })
  await end()
})

test('a page that failed early is asked for again, and wrong options ask for nothing', async () => {
  const { page, counts, untilAsked, prefetch, load, live, end } = await visit()
  await prefetch({ supabaseUrl: 'nonsense' })
  assert.deepEqual(await counts(), { token: 0, ensure: 0, socket: 0, page: 0 })
  let failed = 0
  await page.route('**/rpc/list_chat_messages*', (route) => {
    if (route.request().method() !== 'POST' || failed++ > 0) return route.continue()
    return route.fulfill({ status: 502, body: 'bad gateway', headers: { 'access-control-allow-origin': '*' } })
  })
  await prefetch()
  await untilAsked()
  load()
  assert.deepEqual(await live(), SAID)
  const { token, ensure, socket } = await counts()
  assert.deepEqual([token, ensure, socket], [1, 1, 1])
  await end()
})
