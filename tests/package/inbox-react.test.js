// The hooks of the inbox in real Chromium, against the stand-in, with React 18 and 19: what they open, render and mark as read.
import assert from 'node:assert/strict'
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { build } from 'esbuild'
import { serveFiles } from './hosts.js'
import { launch, packed, threads } from './support.js'

const PAGE = join(import.meta.dirname, 'page')
/** Longer than an end must be in view, with what it takes to look, in ms. */
const SEEN = 700

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Awaited<ReturnType<typeof packed>>} */
let app
before(async () => {
  ;[browser, app] = await Promise.all([launch(), packed()])
})
after(() => browser?.close())

/** @param {string} react @param {'development' | 'production'} mode */
async function lab(react, mode) {
  const dir = await app(`inbox lab ${react} ${mode}`)
  await copyFile(join(PAGE, 'inbox-lab.jsx'), join(dir, 'lab.jsx'))
  await build({
    entryPoints: { main: join(dir, 'lab.jsx') },
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
  await copyFile(join(dir, 'node_modules/chopped-chat/inbox/core_bg.wasm'), join(dir, 'dist/core_bg.wasm'))
  return serveFiles(join(dir, 'dist'))
}

for (const react of ['React 18', 'React 19']) {
  describe(react, () => {
    /** @type {Record<'development' | 'production', Awaited<ReturnType<typeof lab>>>} */
    const served = {}
    before(async () => {
      for (const mode of ['development', 'production']) served[mode] = await lab(react, mode)
    })
    after(() => Object.values(served).map(({ end }) => end()))

    /** A page of somebody with so many threads. @param {import('node:test').TestContext} t @param {number} count */
    const visit = async (t, count, mode = 'production') => {
      const { options, others } = await threads(count)
      const context = await browser.newContext()
      t.after(() => context.close())
      const page = await context.newPage()
      /** @type {string[]} */
      const asked = []
      page.on('request', (request) => request.method() === 'POST' && asked.push(new URL(request.url()).pathname.replace(/.*\//, '')))
      /** @type {string[]} */
      const said = []
      page.on('pageerror', (error) => said.push(String(error)))
      page.on('console', (message) => message.type() === 'error' && !message.location().url.includes('favicon') && said.push(message.text()))
      await page.addInitScript(await readFile(join(PAGE, 'react-watch.js'), 'utf8'))
      await page.addInitScript((me) => Object.assign(globalThis, { me }), options)
      await page.goto(served[mode].url)
      await page.waitForSelector('#lab', { state: 'attached' })
      const show = (/** @type {unknown[][]} */ parts, strict = false) => page.evaluate(([parts, strict]) => lab.show(parts, strict), [parts, strict])
      const is = (/** @type {string} */ name, /** @type {unknown} */ wanted) =>
        page
          .waitForFunction(([name, wanted]) => (lab.shown[name]?.unread ?? lab.shown[name]) === wanted, [name, wanted], { timeout: 15_000 })
          .catch(async (error) => assert.fail(`${name} is ${await page.evaluate((name) => JSON.stringify(lab.shown[name]), name)}, not ${wanted}: ${error.message}`))
      return { page, others, asked, said, show, is }
    }

    test('StrictMode, two lists and a badge: one list is read, one topic joined, and left behind them', async (t) => {
      const { page, others, asked, said, show, is } = await visit(t, 2, 'development')
      await others[0].says('hello')
      await page.waitForTimeout(200)
      assert.equal(await page.evaluate(() => seen.compiles + seen.sockets), 0, 'the import alone loads nothing')
      await show([['list', 'one'], ['list', 'two'], ['badge', 'badge']], true)
      await Promise.all([is('one', 1), is('two', 1), is('badge', 1)])
      await page.waitForFunction(() => lab.shown.one.status === 'live')
      assert.equal(await page.evaluate(() => lab.shown.one.threads === lab.shown.two.threads), true)
      await page.waitForTimeout(1500)
      const { sockets, joins, compiles } = await page.evaluate(() => seen)
      assert.deepEqual({ sockets, joins, compiles }, { sockets: 1, joins: 1, compiles: 1 })
      assert.ok(asked.filter((name) => name === 'list_chat_threads').length <= 2, `${asked}`)
      await others[1].says('hello')
      await Promise.all([is('one', 2), is('two', 2), is('badge', 2)])
      await show([], true)
      await page.waitForFunction(() => seen.open === 0)
      assert.deepEqual(said, [])
    })

    test('a badge renders only when its number changes, a line of a list only when it does', async (t) => {
      const { page, others, show, is } = await visit(t, 2)
      await others[0].says('hello')
      await show([['list', 'list'], ['badge', 'badge']])
      await is('badge', 1)
      await page.waitForFunction(() => lab.shown.list.status === 'live')
      await page.waitForTimeout(300)
      const before = await page.evaluate(() => lab.renders.badge)
      // From another device: a line changes, and what is unread does not.
      await others[1].hears('mine')
      await page.waitForFunction(() => lab.shown.list.threads[0].lastMessage.body === 'mine')
      assert.equal(await page.evaluate(() => lab.renders.badge), before)
    })

    test('useSeen marks what was seen: in view for a while, whole ends, in a page that is looked at', async (t) => {
      const { page, others: [ana], show, is } = await visit(t, 1)
      for (let n = 1; n <= 10; n++) await ana.says(`message ${n}`)
      const scroll = (/** @type {number} */ to) => page.evaluate((to) => (document.querySelector('ol').scrollTop = to), to)
      const says = async (/** @type {string} */ body, /** @type {number} */ count) => {
        await ana.says(body)
        await page.waitForFunction((count) => document.querySelectorAll('ol li').length === count, count)
      }
      const stays = async (/** @type {number} */ wanted, /** @type {string} */ why) => {
        await page.waitForTimeout(SEEN)
        assert.equal(await page.evaluate(() => lab.shown.badge), wanted, why)
      }
      await show([['badge', 'badge'], ['chat', 'chat', { other: ana.mongoId }]])
      // Seven and a half of them fit.
      await is('badge', 3)
      await stays(3, 'the ends of three are below')
      assert.equal(await page.evaluate(() => lab.shown.chat.firstUnread), 1)

      await scroll(10_000)
      await page.waitForTimeout(100)
      await scroll(0)
      await stays(3, 'a glance is not enough')
      await scroll(10_000)
      await is('badge', 0)

      await says('tall as a book', 11)
      await scroll(700)
      await stays(1, 'the end of the tall one is below')
      await scroll(10_000)
      await is('badge', 0)

      await page.evaluate(() => {
        document.hasFocus = () => false
        dispatchEvent(new Event('blur'))
      })
      await says('nobody looks', 12)
      await scroll(10_000)
      await stays(1, 'another window has the focus')
      await page.evaluate(() => {
        delete document.hasFocus
        dispatchEvent(new Event('focus'))
      })
      await is('badge', 0)

      await page.evaluate(() => {
        Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })
        document.dispatchEvent(new Event('visibilitychange'))
      })
      await says('hidden', 13)
      await scroll(10_000)
      await stays(1, 'the page is hidden')
      await page.evaluate(() => {
        delete document.visibilityState
        document.dispatchEvent(new Event('visibilitychange'))
      })
      await is('badge', 0)
      assert.equal(await page.evaluate(() => lab.shown.chat.firstUnread), 1, 'the divider stays')
      // Told to the server, and so to everybody.
      await page.waitForTimeout(1500)
      await show([])
      await show([['badge', 'again']])
      await page.waitForTimeout(SEEN)
      await is('again', 0)
    })

    test('its functions stay the same, and do nothing where nothing is open', async (t) => {
      const { page, others: [ana], show } = await visit(t, 1)
      const { id } = await ana.says('hello')
      await show([['list', 'list'], ['chat', 'chat', { other: ana.mongoId }]])
      await page.evaluate(() => {
        const { markRead, send, edit, unsend, react, jumpTo } = lab.shown.chat
        Object.assign(globalThis, { early: { markRead, send, edit, unsend, react, jumpTo }, more: lab.shown.list.loadMore })
      })
      await page.waitForFunction(() => lab.shown.chat.status === 'live' && lab.shown.list.status === 'live')
      assert.deepEqual(await page.evaluate(() => Object.keys(early).filter((name) => lab.shown.chat[name] !== early[name])), [])
      assert.equal(await page.evaluate(() => lab.shown.list.loadMore === more), true)
      await show([])
      const after = await page.evaluate(async (id) => {
        early.markRead(1)
        early.unsend(id)
        early.react(id, '👍')
        const codes = []
        for (const act of [() => early.edit(id, 'x'), () => early.send('x'), () => early.jumpTo(1)]) {
          try {
            await act()
          } catch ({ code }) {
            codes.push(code)
          }
        }
        return { codes, more: await more() }
      }, id)
      assert.deepEqual(after, { codes: ['closed', 'closed', 'closed'], more: undefined })
      assert.equal((await ana.table()).last_rev, 0)
    })

    test('edit, unsend, react and reply, in StrictMode: what is shown, and what the database has', async (t) => {
      const { page, others: [ana], said, show } = await visit(t, 1, 'development')
      const { id } = await ana.says('dinner?')
      await show([['chat', 'chat', { other: ana.mongoId }]], true)
      await page.waitForFunction(() => lab.shown.chat.status === 'live')
      const shows = (/** @type {unknown[]} */ wanted) =>
        page
          .waitForFunction((wanted) => JSON.stringify(lab.shown.chat.messages.map(({ body, reactions, quoted, deleted, change }) => [body, reactions.me, quoted?.body ?? null, deleted, change])) === JSON.stringify(wanted), wanted, { timeout: 15_000 })
          .catch(async (error) => assert.fail(`${await page.evaluate(() => JSON.stringify(lab.shown.chat.messages))}: ${error.message}`))
      const ids = await page.evaluate((id) => {
        const { send, react } = lab.shown.chat
        react(id, '\u2764')
        return [send('yess', { replyTo: 1 }), send('when?')]
      }, id)
      await shows([['dinner?', '\u2764\uFE0F', null, false, null], ['yess', null, 'dinner?', false, null], ['when?', null, null, false, null]])
      await page.waitForFunction(() => lab.shown.chat.messages.every(({ status }) => status === 'sent'))
      await page.evaluate(([one, two]) => {
        lab.shown.chat.edit(one, 'yes')
        lab.shown.chat.unsend(two)
      }, ids)
      await shows([['dinner?', '\u2764\uFE0F', null, false, null], ['yes', null, 'dinner?', false, null], ['', null, null, true, null]])
      const { messages, last_rev } = await ana.table()
      assert.deepEqual([messages.map(({ body }) => body), last_rev], [['dinner?', 'yes', ''], 3])
      assert.deepEqual(said, [])
    })

    test('what is said while the WebAssembly loads can be rewritten and taken back, and may be a reply; in StrictMode', async (t) => {
      const { page, others: [ana], show } = await visit(t, 1, 'development')
      await ana.says('dinner?')
      let load = () => {}
      const loading = new Promise((done) => (load = () => done(undefined)))
      await page.route(/core_bg/, async (route) => {
        await loading
        await route.continue()
      })
      await show([['chat', 'chat', { other: ana.mongoId }]], true)
      const early = await page.evaluate(async () => {
        const { send, edit, unsend, react } = lab.shown.chat
        const ids = [send('yess', { replyTo: 1 }), send('no'), send('when?')]
        edit(ids[0], 'yes')
        unsend(ids[1])
        react(ids[2], '👍')
        edit(ids[1], 'yes')
        const codes = ['', 'x'.repeat(4001), 5].map((body) => {
          try {
            edit(ids[0], body)
          } catch ({ code }) {
            return code
          }
        })
        while (lab.shown.chat.messages.length !== 2) await new Promise((done) => setTimeout(done))
        return { ids, codes, compiles: seen.compiles, frozen: lab.shown.chat.messages.every(Object.isFrozen), messages: lab.shown.chat.messages.map(({ createdAt: _, ...message }) => message) }
      })
      const bubble = { seq: null, sender: 'me', status: 'sending', editedAt: null, deleted: false, quoted: null, reactions: { me: null, them: null }, canEdit: true, canUnsend: true, change: null }
      assert.deepEqual(early, {
        ids: early.ids,
        codes: ['message-empty', 'message-too-long', 'invalid-options'],
        compiles: 0,
        frozen: true,
        messages: [{ ...bubble, id: early.ids[0], body: 'yes', replyTo: 1 }, { ...bubble, id: early.ids[2], body: 'when?', replyTo: null }],
      })
      load()
      await page.waitForFunction(() => lab.shown.chat.messages.filter(({ sender, status }) => sender === 'me' && status === 'sent').length === 2)
      const quoted = await page.evaluate(() => lab.shown.chat.messages.map(({ quoted }) => quoted?.body ?? null))
      assert.deepEqual(quoted, [null, 'dinner?', null])
      const { messages, last_rev } = await ana.table()
      assert.deepEqual([messages.map(({ id, body, reply_to }) => [id, body, reply_to]).slice(1), last_rev], [[[early.ids[0], 'yes', 1], [early.ids[2], 'when?', undefined]], 0])
    })

    test('where the WebAssembly cannot load, an edit of what was said tries again', async (t) => {
      const { page, others: [ana], show } = await visit(t, 1)
      await page.route(/core_bg|inline/, (route) => route.abort())
      await show([['chat', 'chat', { other: ana.mongoId }]])
      const id = await page.evaluate(() => lab.shown.chat.send('hold on'))
      await page.waitForFunction(() => lab.shown.chat.messages[0]?.status === 'error')
      const jump = await page.evaluate(() => lab.shown.chat.jumpTo(1).catch(({ code }) => code))
      assert.equal(jump, 'init-failed')
      await page.unroute(/core_bg|inline/)
      await page.evaluate((id) => lab.shown.chat.edit(id, 'here I am'), id)
      await page.waitForFunction((id) => lab.shown.chat.messages.some((message) => message.id === id && message.status === 'sent'), id)
      assert.deepEqual((await ana.table()).messages.map(({ body }) => body), ['here I am'])
    })

    test('jumpTo may come before the chat is open, from the effect of a child', async (t) => {
      const { page, others: [ana], show } = await visit(t, 1)
      for (let n = 1; n <= 9; n++) await ana.says(`message ${n}`)
      await show([['chat', 'chat', { other: ana.mongoId, pageSize: 2, jump: 3 }]])
      await page.waitForFunction(() => lab.jumps.length > 0)
      assert.deepEqual(await page.evaluate(() => lab.jumps), ['there'])
      assert.equal(await page.evaluate(() => lab.shown.chat.messages.some(({ seq }) => seq === 3) && lab.shown.chat.messages.at(-1).seq), 9)
    })
  })
}
