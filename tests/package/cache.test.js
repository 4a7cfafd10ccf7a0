// The newest page of a thread, which the next visit shows before the server has said a word: in real Chromium against the
// stand-in, each visit a fresh load of the page.
import assert from 'node:assert/strict'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { build } from 'esbuild'
import { serveFiles } from './hosts.js'
import { launch, packed, setting, thread } from './support.js'

const SOURCE = `import init, * as chat from 'chopped-chat'
await init()
globalThis.chat = chat
// Every snapshot, from the opening on.
globalThis.opened = (options) => {
  const session = new chat.ChatSession({
    ...options,
    getToken: async () => {
      if (globalThis.signedOut) throw { status: 401 }
      return { access_token: options.token, expires_in: 3600 }
    },
    ensureThread: async () => ({}),
  })
  const seen = []
  const see = () => {
    const { status, fromCache, messages, error } = session.getSnapshot()
    seen.push({ status, fromCache, bodies: messages.map(({ body }) => body), error: error?.code })
  }
  session.subscribe(see)
  globalThis.session = session
  globalThis.seen = seen
  session.open().catch(() => {})
}
// What is kept: [person, thread, bodies].
globalThis.kept = async () => {
  if (!(await indexedDB.databases()).some(({ name }) => name === 'chopped-chat pages')) return []
  const database = await new Promise((done) => (indexedDB.open('chopped-chat pages').onsuccess = ({ target }) => done(target.result)))
  const all = await new Promise((done) => (database.transaction('pages').objectStore('pages').getAll().onsuccess = ({ target }) => done(target.result)))
  database.close()
  return all.map(({ person, thread, rows }) => [person, thread, rows.map((row) => row?.body)])
}
document.title = 'ready'
`
const REST = `${setting('SUPABASE_URL')}/rest/v1/**`

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Awaited<ReturnType<typeof serveFiles>>} */
let files
before(async () => {
  browser = await launch()
  const dir = await (await packed())('cache')
  await writeFile(join(dir, 'page.js'), SOURCE)
  await build({ entryPoints: { main: join(dir, 'page.js') }, outdir: join(dir, 'dist'), bundle: true, format: 'esm', logLevel: 'error' })
  await copyFile(join(import.meta.dirname, 'page/index.html'), join(dir, 'dist/index.html'))
  await copyFile(join(dir, 'node_modules/chopped-chat/core_bg.wasm'), join(dir, 'dist/core_bg.wasm'))
  files = await serveFiles(join(dir, 'dist'))
})
after(async () => {
  await browser?.close()
  files?.end()
})

/** @param {() => Promise<boolean>} holds @param {string} what */
async function eventually(holds, what) {
  for (let n = 0; n < 3000; n++) {
    if (await holds()) return
    await new Promise((done) => setTimeout(done, 10))
  }
  assert.fail(what)
}

/** A browser of its own, and how it visits the chat. */
async function device() {
  const context = await browser.newContext()
  /** A fresh page that opens the chat of `options`. @param {any} options @param {(page: import('playwright-core').Page) => Promise<unknown>} [prepare] */
  const visit = async (options, prepare = async () => {}) => {
    const page = await context.newPage()
    await page.goto(files.url)
    await page.waitForFunction(() => document.title === 'ready')
    // What is kept is shown only where storage answers in time, and its first answer in a browser is slow.
    await page.evaluate(() => globalThis.kept())
    await prepare(page)
    await page.evaluate((options) => globalThis.opened(options), options)
    return page
  }
  const seen = (/** @type {import('playwright-core').Page} */ page) => page.evaluate(() => globalThis.seen)
  const shows = (/** @type {import('playwright-core').Page} */ page, /** @type {any} */ wanted) =>
    eventually(async () => {
      const last = (await seen(page)).at(-1)
      return last !== undefined && Object.entries(wanted).every(([name, value]) => JSON.stringify(last[name]) === JSON.stringify(value))
    }, `the page shows ${JSON.stringify(wanted)}`)
  const keeps = (/** @type {import('playwright-core').Page} */ page, /** @type {unknown[]} */ wanted) =>
    eventually(async () => JSON.stringify(await page.evaluate(() => globalThis.kept())) === JSON.stringify(wanted), `storage keeps ${JSON.stringify(wanted)}`)
  return { context, visit, seen, shows, keeps, end: () => context.close() }
}

/** Two people who said something that a visit has kept. */
async function visited(more = {}) {
  const { options: plain, threadId, other, me } = await thread()
  const options = { ...plain, ...more }
  for (const body of ['one', 'two']) await other.says(body)
  const at = await device()
  const page = await at.visit(options)
  await at.shows(page, { status: 'live', bodies: ['one', 'two'] })
  return { ...at, options, other, me, threadId, first: page, record: [me.mongoId, threadId, ['one', 'two']] }
}

const offline = (/** @type {import('playwright-core').Page} */ page) => page.route(REST, (route) => route.abort())

test('the page of the last visit is shown without a network, and says so', async () => {
  const { visit, seen, shows, keeps, options, first, record, end } = await visited()
  await keeps(first, [record])
  await first.close()
  const page = await visit(options, async (page) => {
    await page.route('**/*', (route) => route.abort())
    await page.routeWebSocket(/.*/, (socket) => socket.close())
  })
  await shows(page, { fromCache: true, bodies: ['one', 'two'] })
  assert.ok((await seen(page)).every((/** @type {any} */ { status }) => status !== 'live'))
  await end()
})

test('then the server has the word: what is new, what was erased, what a recovery took back', async () => {
  const { visit, seen, shows, keeps, options, other, first, record, end } = await visited()
  await keeps(first, [record])
  await first.close()
  await other.says('three')
  let serve = () => {}
  const served = new Promise((done) => (serve = () => done(undefined)))
  const page = await visit(options, (page) =>
    page.route('**/rpc/list_chat_messages*', async (route) => {
      await served
      await route.continue()
    }),
  )
  await shows(page, { fromCache: true, bodies: ['one', 'two'] })
  serve()
  await shows(page, { status: 'live', fromCache: false, bodies: ['one', 'two', 'three'] })
  const shown = (await seen(page)).filter((/** @type {any} */ { bodies }) => bodies.length > 0)
  assert.deepEqual([shown[0].bodies, shown[0].fromCache], [['one', 'two'], true], 'the last visit first')
  assert.ok(shown.every((/** @type {any} */ { bodies }) => bodies.length >= 2), 'and nothing in between')
  await keeps(page, [[record[0], record[1], ['one', 'two', 'three']]])
  await page.close()

  await other.isErased()
  const again = await visit(options)
  await shows(again, { status: 'live', fromCache: false, bodies: ['', '', ''] })
  await keeps(again, [[record[0], record[1], ['', '', '']]])
  await end()
})

test('signing out empties it, in every tab, and what another tab was about to write as well', async () => {
  const { visit, shows, keeps, options, other, first, record, end } = await visited()
  await keeps(first, [record])
  const second = await visit(options)
  await shows(second, { status: 'live' })
  await Promise.all([other.says('three'), first.evaluate(() => globalThis.chat.signOut())])
  await shows(second, { status: 'closed' })
  await second.waitForTimeout(500)
  await keeps(second, [])
  await end()
})

test('a 401 hides it until the same person is back', async () => {
  const { visit, seen, shows, keeps, options, first, record, end } = await visited()
  await keeps(first, [record])
  await first.close()
  const page = await visit(options, (page) => page.evaluate(() => void (globalThis.signedOut = true)))
  await shows(page, { status: 'auth-required', fromCache: false, bodies: [] })
  await page.evaluate(() => {
    globalThis.signedOut = false
    // As when the page is looked at again.
    dispatchEvent(new Event('pageshow'))
    document.dispatchEvent(new Event('visibilitychange'))
    globalThis.session.close()
    void globalThis.session.open()
  })
  await shows(page, { status: 'live', bodies: ['one', 'two'] })
  assert.ok((await seen(page)).length > 0)
  await end()
})

test('somebody else sees nothing of it, and what they see takes its place', async () => {
  const { visit, shows, keeps, options, first, record, end } = await visited()
  await keeps(first, [record])
  await first.close()
  const { options: theirs, other, me, threadId } = await thread()
  await other.says('theirs')
  const page = await visit(theirs)
  await shows(page, { status: 'live', bodies: ['theirs'] })
  await keeps(page, [[me.mongoId, threadId, ['theirs']]])
  assert.notEqual(options.myMongoId, me.mongoId)
  await end()
})

test('cacheMessages: false keeps nothing, and deletes what was kept', async () => {
  const { visit, seen, shows, keeps, options, first, record, end } = await visited()
  await keeps(first, [record])
  await first.close()
  const page = await visit({ ...options, cacheMessages: false })
  await shows(page, { status: 'live', bodies: ['one', 'two'] })
  assert.ok((await seen(page)).every((/** @type {any} */ { fromCache }) => !fromCache))
  await page.waitForTimeout(500)
  await keeps(page, [])
  await end()
})

test('cacheMessages: false holds also where a message of an earlier page is sent', async () => {
  const { visit, shows, keeps, options, threadId, first, record, end } = await visited()
  await keeps(first, [record])
  await first.close()
  const left = { project: options.supabaseUrl, person: options.myMongoId, id: crypto.randomUUID(), owner: 'the dead', thread: threadId, order: 1, writtenAt: 1000, body: 'left behind' }
  const page = await visit({ ...options, cacheMessages: false }, (page) =>
    page.evaluate(async (left) => {
      const request = indexedDB.open('chopped-chat', 1)
      request.onupgradeneeded = () => request.result.createObjectStore('drafts', { keyPath: ['project', 'person', 'id'] })
      const database = await new Promise((done) => (request.onsuccess = () => done(request.result)))
      const transaction = database.transaction('drafts', 'readwrite')
      transaction.objectStore('drafts').put(left)
      await new Promise((done) => (transaction.oncomplete = done))
      database.close()
    }, left),
  )
  await shows(page, { status: 'live', bodies: ['one', 'two', 'left behind'] })
  await page.waitForTimeout(500)
  await keeps(page, [])
  await end()
})

test('of many threads the last fifty are kept, and of each a hundred messages', async () => {
  const { visit, shows, options, first, other, end } = await visited()
  await eventually(() => first.evaluate(async () => (await globalThis.kept()).length === 1), 'kept')
  await first.evaluate(async () => {
    const database = await new Promise((done) => (indexedDB.open('chopped-chat pages').onsuccess = ({ target }) => done(target.result)))
    const transaction = database.transaction('pages', 'readwrite')
    const store = transaction.objectStore('pages')
    const [own] = await new Promise((done) => (store.getAll().onsuccess = ({ target }) => done(target.result)))
    for (let n = 0; n < 60; n++) store.put({ ...own, thread: `old ${n}`, at: n })
    await new Promise((done) => (transaction.oncomplete = done))
    database.close()
  })
  const page = await visit({ ...options, pageSize: 200 })
  for (let n = 0; n < 120; n++) await other.says(`more ${n}`)
  await eventually(async () => (await page.evaluate(() => globalThis.session.getSnapshot().messages.length)) === 122, 'all are shown')
  await shows(page, { status: 'live' })
  await eventually(
    () => page.evaluate(async () => (await globalThis.kept()).some(([, , bodies]) => bodies.length === 100 && bodies.at(-1) === 'more 119')),
    'the newest hundred are kept',
  )
  const threads = await page.evaluate(async () => (await globalThis.kept()).map(([, thread]) => thread))
  assert.equal(threads.length, 50)
  assert.ok(!threads.includes('old 10') && threads.includes('old 59'), 'the oldest went')
  await end()
})

test('storage that is absent, broken or slow is done without, and what is no page is not shown', async () => {
  const { visit, seen, shows, keeps, options, first, record, end } = await visited()
  await keeps(first, [record])
  const tricks = {
    absent: () => Object.defineProperty(globalThis, 'indexedDB', { value: undefined }),
    broken: () => {
      indexedDB.open = () => {
        throw new DOMException('no', 'SecurityError')
      }
    },
    slow: () => {
      const { get } = IDBObjectStore.prototype
      IDBObjectStore.prototype.get = function (key) {
        for (const until = performance.now() + 80; performance.now() < until; );
        return get.call(this, key)
      }
    },
  }
  for (const [name, trick] of Object.entries(tricks)) {
    const page = await visit(options, (page) => page.evaluate(trick))
    await shows(page, { status: 'live', bodies: ['one', 'two'] })
    assert.ok((await seen(page)).every((/** @type {any} */ { fromCache }) => !fromCache), name)
    await page.close()
  }
  await first.evaluate(async () => {
    const database = await new Promise((done) => (indexedDB.open('chopped-chat pages').onsuccess = ({ target }) => done(target.result)))
    const transaction = database.transaction('pages', 'readwrite')
    const store = transaction.objectStore('pages')
    const [own] = await new Promise((done) => (store.getAll().onsuccess = ({ target }) => done(target.result)))
    store.put({ ...own, rows: [null, 7, { ...own.rows[0], thread_id: 'x__y' }, { ...own.rows[0], body: 5 }, { ...own.rows[1], seq: -1 }] })
    await new Promise((done) => (transaction.oncomplete = done))
    database.close()
  })
  const page = await visit(options)
  await shows(page, { status: 'live', fromCache: false, bodies: ['one', 'two'] })
  assert.ok((await seen(page)).every((/** @type {any} */ { fromCache }) => !fromCache))
  await end()
})
