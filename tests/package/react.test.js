// The hook in real Chromium, against the stand-in, with React 18 and 19: what it opens, holds and renders.
import assert from 'node:assert/strict'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { build } from 'esbuild'
import { serveFiles } from './hosts.js'
import { held, launch, packed, setting, thread } from './support.js'

const PAGE = join(import.meta.dirname, 'page')
const MESSAGES = 30
const FLOOD = 10_000
const BURST = 400
/** What 80 cycles may leave behind: less than one object each. */
const NEW_OBJECTS = 80
const OPENING_RENDERS = 4
/** What may be said, and why not: each a text and how often it is repeated. */
const BODIES = JSON.parse(await readFile(join(import.meta.dirname, '../message-bodies.json'), 'utf8'))

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Awaited<ReturnType<typeof packed>>} */
let app
before(async () => {
  ;[browser, app] = await Promise.all([launch(), packed()])
})
after(() => browser?.close())

/** The page of `page/react-lab.jsx`, served. @param {string} react @param {'development' | 'production'} mode */
async function lab(react, mode) {
  const dir = await app(`lab ${react} ${mode}`)
  await copyFile(join(PAGE, 'react-lab.jsx'), join(dir, 'react-lab.jsx'))
  await copyFile(join(import.meta.dirname, '../bench/page/fakes.js'), join(dir, 'fakes.js'))
  await build({
    entryPoints: { main: join(dir, 'react-lab.jsx') },
    outdir: join(dir, 'dist'),
    bundle: true,
    splitting: true,
    format: 'esm',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': JSON.stringify(mode) },
    alias: react === 'React 18' ? { react: 'react18', 'react-dom': 'react-dom18' } : {},
    logLevel: 'error',
  })
  await copyFile(join(PAGE, 'index.html'), join(dir, 'dist/index.html'))
  await copyFile(join(dir, 'node_modules/chopped-chat/core_bg.wasm'), join(dir, 'dist/core_bg.wasm'))
  return serveFiles(join(dir, 'dist'))
}

/** @param {string} url @param {object} options */
async function visit(url, options, { clock = false, ready = '#lab' } = {}) {
  const context = await browser.newContext()
  const page = await context.newPage()
  /** @type {string[]} */
  const said = []
  /** @type {string[]} */
  const asked = []
  page.on('pageerror', (error) => said.push(String(error)))
  page.on('console', (message) => {
    const line = `${message.text()} ${message.location().url}`
    if (['error', 'warning'].includes(message.type()) && !line.includes('favicon')) said.push(line)
  })
  page.on('request', (request) => asked.push(request.url()))
  if (clock) await page.clock.install()
  await page.addInitScript(await readFile(join(PAGE, 'react-watch.js'), 'utf8'))
  await page.addInitScript((chat) => Object.assign(globalThis, { chat }), options)
  await page.goto(url)
  await page.waitForSelector(ready, { state: 'attached' })
  return {
    page,
    said,
    asked,
    show: (/** @type {string[]} */ names, strict = false) => page.evaluate(([names, strict]) => lab.show(names, strict), [names, strict]),
    live: (/** @type {string} */ name, count = MESSAGES) =>
      page.waitForFunction(
        ([name, count]) => lab.chats[name]?.status === 'live' && lab.chats[name].messages.length >= count && document.querySelector(`[data-chat=${name}] li`),
        [name, count],
      ),
    seen: () => page.evaluate(() => ({ ...seen, memories: seen.memories.map((memory) => memory.buffer.byteLength) })),
    end: () => context.close(),
  }
}

/** Puts a server inside the page, with a thread of 50 messages. Runs there. */
async function fake() {
  const { fakes } = lab
  const [me, other] = ['a'.repeat(24), 'b'.repeat(24)]
  fakes.install()
  fakes.lengths.set(`${me}__${other}`, 50)
  Object.assign(globalThis.chat, { supabaseUrl: 'http://fake.invalid', supabaseAnonKey: 'anon', myMongoId: me, otherMongoId: other })
  const { access_token } = await (await fetch('http://fake.invalid/api/chat/token')).json()
  globalThis.chat.token = access_token
}

/** The sockets of the stand-in, each with its topics. @returns {Promise<string[][]>} */
async function topics() {
  const { sockets } = await (await fetch(`${setting('ADMIN_URL')}/state`)).json()
  return sockets.map(({ channels }) => channels.map(({ topic }) => topic))
}

/** @param {() => Promise<unknown>} wanted */
async function eventually(wanted, within = 60_000) {
  for (const end = Date.now() + within; ; await new Promise((done) => setTimeout(done, 50))) {
    try {
      return await wanted()
    } catch (error) {
      if (Date.now() > end) throw error
    }
  }
}

/** Waits until nothing is under way: no request for some turns of the page's own clock. @param {import('playwright-core').Page} page */
const settled = (page) =>
  page.evaluate(async () => {
    for (let quiet = 0; quiet < 10; quiet = seen.requests === 0 ? quiet + 1 : 0) await new Promise((done) => setTimeout(done, 30))
  })

for (const react of ['React 18', 'React 19']) {
  describe(react, () => {
    /** @type {Record<'development' | 'production', Awaited<ReturnType<typeof lab>>>} */
    const served = {}
    /** @type {Awaited<ReturnType<typeof thread>>} */
    let chat
    /** @type {Awaited<ReturnType<typeof visit>> | undefined} */
    let visited
    /** @param {'development' | 'production'} mode */
    const open = async (mode, clock = false) => (visited = await visit(served[mode].url, chat.options, { clock }))
    before(async () => {
      for (const mode of ['development', 'production']) served[mode] = await lab(react, mode)
      chat = await thread()
      for (let n = 1; n <= MESSAGES; n++) await chat.other.says(`message ${n}`)
    })
    afterEach(async () => {
      const { said, end } = visited
      await end()
      assert.deepEqual(said, [])
    })
    after(() => Object.values(served).map(({ end }) => end()))

    test('importing it loads nothing, the first component loads the WebAssembly', async () => {
      const { page, asked, show, live, seen } = await open('production')
      await page.waitForTimeout(200)
      const wasm = () => asked.filter((url) => /wasm|inline/.test(url))
      assert.deepEqual(wasm(), [])
      const { compiles, sockets } = await seen()
      assert.deepEqual({ compiles, sockets }, { compiles: 0, sockets: 0 })
      assert.ok(asked.every((url) => url.startsWith(served.production.url)), 'no word to the server')
      await show(['a'])
      await live('a')
      assert.equal(wasm().length, 1)
      assert.equal((await seen()).compiles, 1)
      assert.equal(await page.evaluate(() => document.styleSheets.length), 0)
    })

    test('StrictMode: one socket, one join, and the topic is left behind it', async () => {
      const { page, show, live, seen } = await open('development', true)
      const joined = async () => (await topics()).filter((topics) => topics.includes(`chat:${chat.threadId}`)).length
      await show(['a'], true)
      await live('a')
      await eventually(async () => assert.equal(await joined(), 1))
      await show([])
      await eventually(async () => assert.equal(await joined(), 0))
      // What was shown and the socket are kept for 30 s, for whoever comes back.
      await page.clock.fastForward(29_000)
      assert.equal((await seen()).open, 1)
      await page.clock.fastForward(2_000)
      await eventually(async () => assert.equal((await seen()).open, 0))
      const { sockets, joins, leaves } = await seen()
      assert.deepEqual({ sockets, joins, leaves }, { sockets: 1, joins: 1, leaves: 1 })
    })

    test('what is said while the WebAssembly loads is shown at once and sent once, even if the chat is gone by then', async () => {
      const { page, said, show, seen } = await open('production')
      let load = () => {}
      const loading = new Promise((done) => (load = () => done(undefined)))
      await page.route(/core_bg/, async (route) => {
        await loading
        await route.continue()
      })
      await show(['a'])
      const early = await page.evaluate(async () => {
        const shows = async (count) => {
          while (lab.chats.a.messages.length !== count) await new Promise((done) => setTimeout(done))
        }
        const ids = ['first', 'second', 'third'].map((body) => lab.chats.a.send(body))
        await shows(3)
        lab.chats.a.discard(ids[1])
        await shows(2)
        const { messages, status } = lab.chats.a
        return { ids, status, messages: messages.map(({ id, body, status, seq }) => ({ id, body, status, seq })) }
      })
      const bubble = (/** @type {string} */ body, n = 0) => ({ id: early.ids[n], body, status: 'sending', seq: null })
      assert.deepEqual(early.messages, [bubble('first'), bubble('third', 2)])
      assert.equal(early.status, 'connecting')
      assert.equal((await seen()).compiles, 0)

      const late = await page.evaluate(() => {
        lab.showNow([])
        try {
          return lab.chats.a.send('late')
        } catch ({ code }) {
          return code
        }
      })
      assert.equal(late, 'closed')
      load()
      await show(['b'])
      await page.waitForFunction(() => lab.chats.b.messages.filter(({ body, status }) => ['first', 'third'].includes(body) && status === 'sent').length === 2)
      const sent = await page.evaluate(() => lab.chats.b.messages.filter(({ sender }) => sender === 'me').map(({ id, body }) => ({ id, body })))
      assert.deepEqual(sent, [{ id: early.ids[0], body: 'first' }, { id: early.ids[2], body: 'third' }])
      assert.deepEqual(said, [])
    })

    test('a body is checked before the engine is there as it is afterwards', async () => {
      const { page, show } = await open('production')
      let load = () => {}
      const released = new Promise((done) => (load = () => done(undefined)))
      await page.route('**/core_bg.wasm', async (route) => {
        await released
        await route.continue()
      })
      await show(['a'])
      const check = () =>
        page.evaluate(
          (bodies) =>
            Object.entries(bodies).flatMap(([expected, texts]) =>
              texts.map(([text, times]) => {
                try {
                  lab.chats.a.send(text.repeat(times))
                  return [expected, 'good', text, times]
                } catch ({ code }) {
                  return [expected, code, text, times]
                }
              }),
            ),
          BODIES,
        )
      const early = await check()
      load()
      await page.waitForFunction(() => lab.chats.a.status === 'live')
      for (const [expected, said, text, times] of [...early, ...(await check())]) {
        assert.equal(said, expected, `${JSON.stringify(text)} ${times} times`)
      }
    })

    test('what is said while the WebAssembly cannot load is refused, and sent when it is tried again', async () => {
      const { page, said, show } = await open('production')
      await page.route(/core_bg|inline/, (route) => route.abort())
      await show(['a'])
      const id = await page.evaluate(() => lab.chats.a.send('hold on'))
      await page.waitForFunction(() => lab.chats.a.messages[0]?.status === 'error')
      const { code, why, status } = await page.evaluate(() => {
        const { error, messages, status } = lab.chats.a
        return { code: error.code, why: messages[0].error.code, status }
      })
      assert.deepEqual({ code, why, status }, { code: 'init-failed', why: 'init-failed', status: 'closed' })
      await page.unroute(/core_bg|inline/)
      await page.evaluate((id) => lab.chats.a.retry(id), id)
      await page.waitForFunction((id) => lab.chats.a.messages.some((message) => message.id === id && message.status === 'sent'), id)
      assert.equal(await page.evaluate(() => lab.chats.a.error), null)
      // The browser's own words.
      assert.ok(said.splice(0).every((line) => line.includes('Failed to load resource')))
    })

    test('an error that is none of ours ends in the snapshot, and in the console', async () => {
      const { page, said, show } = await open('production')
      // As where something else on the page broke what browsers have.
      await page.evaluate(() => {
        crypto.getRandomValues = function (/** @type {Uint8Array} */ bytes) {
          if (new Error().stack.includes('wasm')) throw new TypeError('no entropy')
          return Crypto.prototype.getRandomValues.call(crypto, bytes)
        }
      })
      await show(['a'])
      const id = await page.evaluate(() => lab.chats.a.send('not lost'))
      await page.waitForFunction(() => lab.chats.a.status === 'closed')
      const seen = await page.evaluate(() => {
        const { error, messages } = lab.chats.a
        return { name: error.name, code: error.code, messages: messages.map(({ id, body, status, error }) => ({ id, body, status, why: error.code })) }
      })
      assert.deepEqual(seen, {
        name: 'ChatError',
        code: 'init-failed',
        messages: [{ id, body: 'not lost', status: 'error', why: 'init-failed' }],
      })
      assert.match(said.splice(0).join(), /no entropy/)
    })

    test('two components on one thread share the socket, the join and the messages', async () => {
      const { page, show, live, seen } = await open('production')
      await show(['a', 'b'])
      await Promise.all([live('a'), live('b')])
      const { sockets, joins } = await seen()
      assert.deepEqual({ sockets, joins }, { sockets: 1, joins: 1 })
      const same = await page.evaluate(() => lab.chats.a.messages.map((message, n) => message === lab.chats.b.messages[n]))
      assert.ok(same.every(Boolean))
      // What one says, the other shows.
      await page.evaluate(() => lab.chats.a.send('from a'))
      await page.waitForFunction(() => lab.chats.b.messages.at(-1).body === 'from a' && lab.chats.b.messages.at(-1).status === 'sent')
      // One goes, the other stays.
      await show(['b'])
      await chat.other.says('to b')
      await page.waitForFunction(() => lab.chats.b.messages.at(-1).body === 'to b')
    })

    test('opened and closed 100 times by two components in StrictMode: one socket, a join each time, flat memory', async (t) => {
      const { page, show, live, seen } = await open('development')
      /** @param {number} times */
      const cycles = async (times) => {
        await page.evaluate(async (times) => {
          const until = async (is) => {
            for (const end = performance.now() + 60_000; !is(); await new Promise((done) => setTimeout(done, 4))) {
              if (performance.now() > end) throw new Error(`waited a minute until ${is}`)
            }
          }
          for (let n = 0; n < times; n++) {
            lab.show(['a', 'b'], true)
            await until(() => ['a', 'b'].every((name) => document.querySelector(`[data-chat=${name}][data-status=live] li`)))
            lab.show([])
            await until(() => !document.querySelector('section'))
            await until(() => seen.leaves === seen.joins)
          }
        }, times)
        return { ...(await held(page)), wasm: (await seen()).memories }
      }
      const early = await cycles(20)
      const late = await cycles(80)
      const { sockets, most, joins, leaves } = await seen()
      // A chat that nobody shows is left at once; one of two that stays, and StrictMode's second mount, join nothing.
      assert.deepEqual({ sockets, most, joins, leaves }, { sockets: 1, most: 1, joins: 100, leaves: 100 })
      assert.equal(early.wasm.length, 1, 'one instance')
      assert.deepEqual(late.wasm, early.wasm)
      for (const [after, { bytes, objects }] of Object.entries({ 20: early, 100: late })) {
        t.diagnostic(`after ${after} cycles: ${objects} JavaScript objects in ${bytes} bytes, ${late.wasm[0]} bytes of WebAssembly memory`)
      }
      assert.ok(late.objects - early.objects < NEW_OBJECTS, `${late.objects - early.objects} objects more after 80 cycles`)
    })

    test('opened and closed at once, again and again: the last word counts, with one join', async () => {
      const { page, show, live, seen } = await open('development')
      await page.evaluate(() => {
        for (let n = 0; n < 50; n++) {
          lab.showNow(['a', 'b'], true)
          lab.showNow([], true)
        }
        lab.showNow(['a'], true)
      })
      await live('a')
      // The same once the WebAssembly is there.
      await page.evaluate(async () => {
        for (let n = 0; n < 50; n++) {
          lab.showNow([], true)
          await null
          lab.showNow(['a', 'b'], true)
        }
      })
      await Promise.all([live('a'), live('b')])
      const { sockets, most, joins, leaves } = await seen()
      assert.deepEqual({ sockets, most, joins, leaves }, { sockets: 1, most: 1, joins: 1, leaves: 0 })
      await show([])
      await eventually(async () => assert.equal((await seen()).leaves, 1))
    })

    test('renders: few to open, one bubble for a message, none of the chat for typing', async (t) => {
      const { page, show, live, seen } = await open('production')
      await show(['a'])
      await live('a')
      await settled(page)
      const opening = await page.evaluate(() => ({ parent: lab.renders.a, bubbles: [...lab.bubbles.values()] }))
      t.diagnostic(`${opening.parent} renders of the parent to open a thread`)
      assert.ok(opening.parent <= OPENING_RENDERS, `${opening.parent} renders`)
      assert.ok(opening.bubbles.length >= MESSAGES && opening.bubbles.every((times) => times === 1), 'each bubble once')

      await chat.other.says('one more')
      await page.waitForFunction(() => lab.chats.a.messages.at(-1).body === 'one more')
      await settled(page)
      const after = await page.evaluate(() => ({ parent: lab.renders.a, bubbles: [...lab.bubbles.values()] }))
      assert.equal(after.parent, opening.parent + 1)
      assert.equal(after.bubbles.length, opening.bubbles.length + 1)
      assert.ok(after.bubbles.every((times) => times === 1), 'each bubble once')

      const { frames } = await seen()
      const same = await page.evaluate(async () => {
        const { send, loadOlder, retry, discard, messages } = lab.chats.a
        for (const text of ['h', 'he', 'hel']) {
          lab.type(text)
          while (document.querySelector('input').value !== text) await new Promise((done) => setTimeout(done))
        }
        const now = lab.chats.a
        return [send === now.send, loadOlder === now.loadOlder, retry === now.retry, discard === now.discard, messages === now.messages]
      })
      assert.deepEqual(same, Array(5).fill(true))
      const typed = await page.evaluate(() => ({ parent: lab.renders.a, bubbles: [...lab.bubbles.values()] }))
      assert.deepEqual(typed, { parent: after.parent + 3, bubbles: after.bubbles })
      const { frames: later, joins } = await seen()
      assert.deepEqual({ later, joins }, { later: frames, joins: 1 })
    })

    test(`${BURST} broadcasts on a page that renders slowly: few commits`, async (t) => {
      const { page, show, live } = await open('production')
      await page.evaluate(fake)
      await show(['a'])
      await live('a', 50)
      const commits = await page.evaluate(async (count) => {
        const { fakes, chats, renders, slow } = lab
        const threadId = `${'a'.repeat(24)}__${'b'.repeat(24)}`
        await new Promise((done) => setTimeout(done, 500))
        const before = renders.a
        slow.ms = 25
        fakes.lengths.set(threadId, 50 + count)
        fakes.deliver(Array.from({ length: count }, (_, n) => fakes.broadcast(threadId, 51 + n)))
        while (chats.a.messages.length < 50 + count) await new Promise((done) => setTimeout(done, 20))
        slow.ms = 0
        return renders.a - before
      }, BURST)
      t.diagnostic(`${commits} commits of 25 ms for ${BURST} broadcasts`)
      assert.ok(commits < BURST / 5, `${commits} commits`)
    })

    test(`${FLOOD.toLocaleString('en')} broadcasts at once: batched, each bubble once`, async (t) => {
      const { page, show, live } = await open('production')
      await page.evaluate(fake)
      await show(['a'])
      await live('a', 50)
      const flood = await page.evaluate(async (count) => {
        const { fakes, chats, renders, shown, bubbles } = lab
        const threadId = `${'a'.repeat(24)}__${'b'.repeat(24)}`
        const frames = Array.from({ length: count }, (_, n) => fakes.broadcast(threadId, 51 + n))
        fakes.lengths.set(threadId, 50 + count)
        // The page's own work is over.
        await new Promise((done) => setTimeout(done, 500))
        const before = renders.a
        const start = performance.now()
        const done = new Promise((resolve) => {
          const look = () => (chats.a.messages.length === 50 + count ? resolve(undefined) : setTimeout(look, 5))
          look()
        })
        fakes.deliver(frames)
        await done
        const end = performance.now()
        await new Promise((done) => setTimeout(done, 500))
        return {
          took: end - start,
          renders: renders.a - before,
          twice: [...bubbles.values()].filter((times) => times !== 1).length,
          shown,
          numbers: chats.a.messages.every(({ seq }, n) => seq === n + 1),
        }
      }, FLOOD)
      t.diagnostic(`${FLOOD} broadcasts in ${flood.took.toFixed()} ms, ${flood.renders} renders`)
      assert.ok(flood.numbers, 'all of them, in order')
      assert.deepEqual(flood.shown, { highest: 50 + FLOOD, disordered: false })
      assert.equal(flood.twice, 0, 'a bubble that was shown has rendered once')
      // One at once, then one a pause of 4 ms, and what the pauses leave over: a slower machine has more pauses.
      assert.ok(flood.renders <= flood.took / 4 + 4, `${flood.renders} renders in ${flood.took} ms`)
    })
  })
}

test("Vite's hot update of an open chat: one socket, one join, and the messages stay", async () => {
  const dir = await app('hot update')
  const chat = await thread()
  for (let n = 1; n <= MESSAGES; n++) await chat.other.says(`message ${n}`)
  for (const name of ['index.html', 'react-hot.jsx', 'react-hot-chat.jsx']) await copyFile(join(PAGE, name), join(dir, name))
  const file = join(dir, 'react-hot-chat.jsx')
  await writeFile(join(dir, 'index.html'), (await readFile(join(dir, 'index.html'), 'utf8')).replace('main.js', 'react-hot.jsx'))
  const { createServer } = await import('vite8')
  const { default: react } = await import('@vitejs/plugin-react')
  const server = await createServer({
    root: dir,
    configFile: false,
    logLevel: 'error',
    plugins: [react()],
    server: { host: '127.0.0.1', port: 0 },
  })
  await server.listen()
  const { page, said, seen, end } = await visit(server.resolvedUrls.local[0], chat.options, { ready: '.live' })
  try {
    const bodies = () => page.locator('li').allTextContents()
    await page.locator('li').nth(MESSAGES - 1).waitFor()
    const before = await bodies()
    await page.evaluate(() => Object.assign(globalThis, { notReloaded: true }))
    const source = await readFile(file, 'utf8')
    for (const [n, title] of ['Onions', 'Leeks', 'Garlic'].entries()) {
      await writeFile(file, source.replace('Chat of', `${title} of`))
      await page.locator('h1', { hasText: `${title} of` }).waitFor()
      await page.locator('.live li').nth(MESSAGES - 1 + n).waitFor()
      assert.deepEqual((await bodies()).slice(0, MESSAGES), before)
      // It is alive.
      await chat.other.says(`after ${title}`)
      await page.locator('li', { hasText: `after ${title}` }).waitFor()
    }
    assert.ok(await page.evaluate(() => 'notReloaded' in globalThis), 'hot, not a reload')
    // Vite's own socket is the second.
    const { sockets, joins, leaves } = await seen()
    assert.deepEqual({ sockets, joins, leaves }, { sockets: 2, joins: 1, leaves: 0 })
    assert.deepEqual(said, [])
  } finally {
    await end()
    await server.close()
  }
})
