// ChatInbox and receipts as the package gives them, in Chromium against the stand-in: what is shown, told and kept.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { inboxPage } from './hosts.js'
import { held, launch, packed, threads } from './support.js'

/** What 80 inboxes may leave behind: less than one object each. */
const NEW_OBJECTS = 80

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Awaited<ReturnType<typeof inboxPage>>} */
let files
before(async () => {
  browser = await launch()
  files = await inboxPage(await (await packed())('inbox'))
})
after(async () => {
  await browser?.close()
  files?.end()
})

const MARK = '**/rest/v1/rpc/mark_chat'
const LIST = '**/rest/v1/rpc/list_chat_threads'

/** A page of somebody with so many threads. @param {import('node:test').TestContext} t @param {number} count */
async function visit(t, count) {
  const { options, others } = await threads(count)
  const context = await browser.newContext()
  t.after(() => context.close())
  const load = async () => {
    const page = await context.newPage()
    await page.addInitScript((me) => Object.assign(globalThis, { me }), options)
    await page.goto(files.url)
    await page.waitForFunction(() => globalThis.marks)
    return page
  }
  return { others, options, load, page: await load() }
}

/** Waits until the inbox `mine` shows that. @param {import('playwright-core').Page} page @param {object} wanted */
async function shows(page, wanted) {
  const told = () =>
    page.evaluate(() => {
      const { status, unread, threads } = globalThis.mine.getSnapshot()
      return { status, unread, threads: threads.map(({ otherMongoId, unread, lastMessage }) => [otherMongoId, unread, lastMessage.sender, lastMessage.body, lastMessage.status]) }
    })
  for (const end = Date.now() + 20_000; ; await new Promise((done) => setTimeout(done, 20))) {
    try {
      return assert.deepEqual(await told(), { status: 'live', ...wanted })
    } catch (error) {
      if (Date.now() > end) throw error
    }
  }
}

const opened = (/** @type {import('playwright-core').Page} */ page, more = {}) =>
  page.evaluate(async (more) => void (globalThis.mine = await live(inbox(more))), more)

test('who wrote, how many and what, newest first; a line stays the identical object until it changes', async (t) => {
  const { page, others } = await visit(t, 3)
  const [ana, ben, cleo] = others
  await ana.says('one')
  await ana.says('two')
  await ben.says('hello')
  await opened(page)
  await shows(page, { unread: 3, threads: [[ben.mongoId, 1, 'them', 'hello', 'sent'], [ana.mongoId, 2, 'them', 'two', 'sent']] })
  await page.evaluate(() => {
    globalThis.before = globalThis.mine.getSnapshot()
    globalThis.same = globalThis.before === globalThis.mine.getSnapshot()
  })
  await ana.says('three')
  await shows(page, { unread: 4, threads: [[ana.mongoId, 3, 'them', 'three', 'sent'], [ben.mongoId, 1, 'them', 'hello', 'sent']] })
  const is = await page.evaluate(() => {
    const { before, mine, same } = globalThis
    const now = mine.getSnapshot()
    const frozen = [now, now.threads, now.threads[0], now.threads[0].lastMessage].every(Object.isFrozen)
    return { same, frozen, ben: now.threads[1] === before.threads[0], ana: now.threads[0] === before.threads[1], old: before.threads.length }
  })
  assert.deepEqual(is, { same: true, frozen: true, ben: true, ana: false, old: 2 })
  // A thread that was empty until now.
  await cleo.says('are you there?')
  await shows(page, { unread: 5, threads: [[cleo.mongoId, 1, 'them', 'are you there?', 'sent'], [ana.mongoId, 3, 'them', 'three', 'sent'], [ben.mongoId, 1, 'them', 'hello', 'sent']] })
})

test('what is read is not unread any more, at once and on other devices, and its author sees it', async (t) => {
  const { page, others, load } = await visit(t, 2)
  const [ana, ben] = others
  for (const body of ['one', 'two', 'three']) await ana.says(body)
  await ben.says('hello')
  const other = await load()
  await opened(other)
  await opened(page)
  const at = await page.evaluate(async (ana) => {
    globalThis.open = await live(session(ana))
    open.markRead(2)
    await until(() => mine.getSnapshot().unread < 4)
    return mine.getSnapshot().unread
  }, ana.mongoId)
  assert.ok(at === 2, `${at} are unread of four when two were read`)
  const threads = [[ben.mongoId, 1, 'them', 'hello', 'sent'], [ana.mongoId, 1, 'them', 'three', 'sent']]
  await shows(other, { unread: 2, threads })
  await shows(page, { unread: 2, threads })
  assert.equal(await ana.readByMe(), 2)
  for (const wrong of [0, -1, 1.5, '1', null, undefined, 2 ** 60]) {
    assert.equal(await page.evaluate((wrong) => { try { open.markRead(wrong) } catch ({ code }) { return code } }, wrong), 'invalid-options')
  }
})

test("an own message is sent, then delivered, then read; the others' objects stay", async (t) => {
  const { page, others: [ana] } = await visit(t, 1)
  await ana.says('hello')
  await opened(page)
  await page.evaluate(async (ana) => {
    globalThis.open = await live(session(ana))
    open.send('one')
    open.send('two')
    await until(() => open.getSnapshot().messages.filter(({ status }) => status === 'sent').length === 3)
    globalThis.before = open.getSnapshot()
  }, ana.mongoId)
  const until = (/** @type {string[]} */ wanted) =>
    page.evaluate(async (wanted) => {
      await globalThis.until(() => open.getSnapshot().messages.map(({ status }) => status).join() === wanted.join())
      const { messages, readByOther, deliveredToOther } = open.getSnapshot()
      const kept = messages.map((message, n) => message === before.messages[n])
      globalThis.before = open.getSnapshot()
      return { kept, frozen: messages.every(Object.isFrozen), readByOther, deliveredToOther }
    }, wanted)
  await ana.mark({ delivered: 3 })
  assert.deepEqual(await until(['sent', 'delivered', 'delivered']), { kept: [true, false, false], frozen: true, readByOther: 0, deliveredToOther: 3 })
  await ana.mark({ read: 2 })
  assert.deepEqual(await until(['sent', 'read', 'delivered']), { kept: [true, false, true], frozen: true, readByOther: 2, deliveredToOther: 3 })
  // What was sent marks nothing as read.
  await shows(page, { unread: 1, threads: [[ana.mongoId, 1, 'me', 'two', 'delivered']] })
  await ana.mark({ read: 3 })
  await until(['sent', 'read', 'read'])
  const line = await page.evaluate(() => mine.getSnapshot().threads[0])
  assert.deepEqual([line.lastMessage.status, line.readByOther, line.deliveredToOther], ['read', 3, 3])
})

test('the first unread message stays where it was when the session was opened', async (t) => {
  const { page, others: [ana] } = await visit(t, 1)
  await ana.says('one')
  await ana.hears('mine')
  await ana.says('two')
  await ana.says('three')
  /** @param {() => unknown} act */
  const opens = (more = {}) =>
    page.evaluate(
      async ([ana, more]) => {
        globalThis.open = session(ana, more)
        const closed = open.getSnapshot().firstUnread
        await live(open)
        return { closed }
      },
      [ana.mongoId, more],
    )
  const first = (/** @type {unknown} */ wanted) =>
    page.evaluate(async (wanted) => {
      await until(() => open.getSnapshot().firstUnread !== undefined)
      return open.getSnapshot().firstUnread === wanted || `${open.getSnapshot().firstUnread}`
    }, wanted)
  assert.deepEqual(await opens(), { closed: undefined })
  assert.equal(await first(1), true)
  await page.evaluate(() => open.markRead(2))
  await page.waitForTimeout(300)
  assert.equal(await first(1), true, 'it stays')
  await page.evaluate(() => open.close())
  assert.equal(await page.evaluate(() => open.getSnapshot().firstUnread), undefined)

  await opens()
  assert.equal(await first(3), true, 'opened anew')
  await page.evaluate(() => (open.markRead(4), open.close()))
  await opens()
  assert.equal(await first(null), true)
  await ana.says('four')
  await page.evaluate(() => until(() => open.getSnapshot().messages.length === 5))
  assert.equal(await first(null), true, 'what comes while it is open was seen to come')
  await page.evaluate(() => open.close())
})

test('a first unread message before the page is known once it is loaded', async (t) => {
  const { page, others: [ana] } = await visit(t, 1)
  for (let n = 1; n <= 6; n++) await ana.says(`message ${n}`)
  const seen = await page.evaluate(async (ana) => {
    const open = await live(session(ana, { pageSize: 3 }))
    await quiet(500)
    const { firstUnread: early, messages } = open.getSnapshot()
    await open.loadOlder()
    await until(() => open.getSnapshot().firstUnread !== undefined)
    return { early, shown: messages.length, late: open.getSnapshot().firstUnread }
  }, ana.mongoId)
  assert.deepEqual(seen, { early: undefined, shown: 3, late: 1 })
})

test('behind more than a page of own messages it is known that nothing is unread', async (t) => {
  const { page, others: [ana] } = await visit(t, 1)
  await ana.says('one')
  await page.evaluate(async (ana) => {
    const open = await live(session(ana))
    open.markRead(1)
    await quiet(500)
    open.close()
  }, ana.mongoId)
  for (let n = 2; n <= 6; n++) await ana.hears(`mine ${n}`)
  const firstUnread = await page.evaluate(async (ana) => {
    const open = await live(session(ana, { pageSize: 3 }))
    await until(() => open.getSnapshot().firstUnread !== undefined)
    return open.getSnapshot().firstUnread
  }, ana.mongoId)
  assert.equal(firstUnread, null)
})

test('receipts: false tells nobody and shows nothing, and still counts', async (t) => {
  const { page, others: [ana] } = await visit(t, 1)
  await ana.says('one')
  await ana.hears('mine')
  await ana.says('two')
  await ana.mark({ read: 3 })
  await opened(page, { receipts: false })
  await page.evaluate(async (ana) => {
    globalThis.open = await live(session(ana, { receipts: false }))
    open.markRead(3)
    await until(() => mine.getSnapshot().unread === 0)
  }, ana.mongoId)
  await page.waitForTimeout(500)
  assert.equal(await ana.readByMe(), 0)
  const { messages, readByOther, deliveredToOther } = await page.evaluate(() => open.getSnapshot())
  assert.deepEqual([messages.map(({ status }) => status), readByOther, deliveredToOther], [['sent', 'sent', 'sent'], 0, 0])
  await shows(page, { unread: 0, threads: [[ana.mongoId, 0, 'them', 'two', 'sent']] })
})

test('what was read and could not be told survives a reload, and not a sign-out', async (t) => {
  const { page, others: [ana], load, options } = await visit(t, 1)
  await ana.says('one')
  await ana.says('two')
  // Markers are asked for by the same function.
  await page.route(MARK, (route) => (route.request().postData()?.includes('"read"') ? route.abort() : route.continue()))
  const read = () =>
    page.evaluate(async (ana) => {
      await live(session(ana)).then((open) => open.markRead(2))
      for (let n = 0; n < 200 && (await marks()).length === 0; n++) await quiet(10)
      return marks()
    }, ana.mongoId)
  assert.deepEqual(await read(), [{ project: options.supabaseUrl, person: options.myMongoId, thread: ana.threadId, seq: 2 }])
  await page.close()

  const next = await load()
  await opened(next)
  await shows(next, { unread: 0, threads: [[ana.mongoId, 0, 'them', 'two', 'sent']] })
  await next.evaluate(async () => {
    for (let n = 0; n < 500 && (await marks()).length > 0; n++) await quiet(10)
  })
  assert.deepEqual(await next.evaluate(() => marks()), [], 'the server knows it')

  await ana.says('three')
  await next.route(MARK, (route) => (route.request().postData()?.includes('"read"') ? route.abort() : route.continue()))
  const after = await next.evaluate(async (ana) => {
    const open = await live(session(ana))
    await until(() => open.getSnapshot().messages.length === 3)
    open.markRead(3)
    for (let n = 0; n < 200 && (await marks()).length === 0; n++) await quiet(10)
    const kept = (await marks()).length
    await chat.signOut()
    return { kept, left: (await marks()).length, status: mine.getSnapshot().status }
  }, ana.mongoId)
  assert.deepEqual(after, { kept: 1, left: 0, status: 'closed' })
})

test('persistOutbox: false keeps no marks, and storage that is absent is done without', async (t) => {
  const { page, others: [ana] } = await visit(t, 1)
  await ana.says('one')
  const kept = await page.evaluate(async (ana) => {
    globalThis.open = await live(session(ana, { persistOutbox: false }))
    open.markRead(1)
    await quiet(300)
    return marks()
  }, ana.mongoId)
  assert.deepEqual(kept, [])

  const { page: other, others: [ben] } = await visit(t, 1)
  await ben.says('one')
  await other.evaluate(() => Object.defineProperty(globalThis, 'indexedDB', { value: undefined }))
  await opened(other)
  await other.evaluate(async (ben) => {
    await live(session(ben)).then((open) => open.markRead(1))
    await until(() => mine.getSnapshot().unread === 0)
  }, ben.mongoId)
  await shows(other, { unread: 0, threads: [[ben.mongoId, 0, 'them', 'one', 'sent']] })
})

test('more threads on demand', async (t) => {
  const { page, others } = await visit(t, 5)
  for (const other of others) await other.says('hello')
  await opened(page, { pageSize: 2 })
  const pages = await page.evaluate(async () => {
    const pages = []
    const first = mine.getSnapshot().threads[0]
    for (let n = 0; n < 4; n++) {
      const { threads, hasMore, unread } = mine.getSnapshot()
      pages.push([threads.length, hasMore, unread])
      const loading = mine.loadMore()
      await loading
    }
    return { pages, same: mine.getSnapshot().threads[0] === first, ids: mine.getSnapshot().threads.map(({ otherMongoId }) => otherMongoId) }
  })
  assert.deepEqual(pages.pages, [[2, true, 5], [4, true, 5], [5, false, 5], [5, false, 5]])
  assert.equal(pages.same, true)
  assert.deepEqual(pages.ids, others.map(({ mongoId }) => mongoId).reverse())
  const closed = await page.evaluate(async () => {
    mine.close()
    return mine.loadMore().catch(({ code }) => code)
  })
  assert.equal(closed, 'closed')
})

test('two inboxes are one: one request, one topic; a closed one is closed and empty', async (t) => {
  const { page, others: [ana] } = await visit(t, 1)
  await ana.says('hello')
  /** @type {string[]} */
  const asked = []
  page.on('request', (request) => request.method() === 'POST' && asked.push(new URL(request.url()).pathname))
  /** @type {string[]} */
  const joins = []
  page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => String(payload).includes('phx_join') && joins.push(String(payload))))
  const is = await page.evaluate(async () => {
    const [one, two] = await Promise.all([live(inbox()), live(inbox())])
    const same = one.getSnapshot() === two.getSnapshot()
    one.close()
    await quiet()
    const first = one.getSnapshot()
    return { same, one: [first.status, first.threads.length, first.unread], two: two.getSnapshot().status }
  })
  assert.deepEqual(is, { same: true, one: ['closed', 0, 0], two: 'live' })
  assert.equal(joins.length, 1)
  assert.ok(asked.filter((path) => path.endsWith('list_chat_threads')).length <= 2, `${asked}: one, and one more behind the join`)
})

test('what an inbox starts with is asked for once, before it is opened', async (t) => {
  const { page, others: [ana], options } = await visit(t, 1)
  await ana.says('hello')
  /** @type {string[]} */
  const asked = []
  page.on('request', (request) => request.method() === 'POST' && asked.push(new URL(request.url()).pathname))
  page.on('websocket', () => asked.push('socket'))
  await page.evaluate(async ({ token, ...options }) => {
    globalThis.tokens = 0
    const getToken = () => ((tokens += 1), { access_token: token, expires_in: 3600 })
    await chat.prefetch({ ...options, getToken })
    await quiet(300)
    globalThis.mine = await live(inbox({ getToken }))
  }, options)
  await shows(page, { unread: 1, threads: [[ana.mongoId, 1, 'them', 'hello', 'sent']] })
  assert.equal(await page.evaluate(() => tokens), 1)
  assert.equal(asked.filter((what) => what === 'socket').length, 1)
  assert.ok(asked.filter((path) => path.endsWith('list_chat_threads')).length <= 2, `${asked}`)
})

test('wrong options are named, and nothing works before it is loaded', async (t) => {
  const { page } = await visit(t, 0)
  const said = await page.evaluate(() => {
    const say = (more) => {
      try {
        inbox(more)
      } catch ({ code, message }) {
        return `${code} ${message}`
      }
    }
    return [{ myMongoId: '' }, { myMongoId: 'a__b' }, { supabaseUrl: 'ftp://x' }, { getToken: undefined }, { pageSize: 0 }, { receipts: 'no' }].map(say)
  })
  const names = ['myMongoId', 'myMongoId', 'supabaseUrl', 'tokenUrl', 'pageSize', 'receipts']
  said.forEach((text, n) => assert.match(text ?? 'nothing', new RegExp(`^invalid-options .*${names[n]}`)))
})

test('where the database has no inbox it says what is missing, and goes on when it is there', async (t) => {
  const { page, others: [ana] } = await visit(t, 1)
  await ana.says('hello')
  await page.route(LIST, (route) => route.fulfill({ status: 404, json: { code: 'PGRST202', message: 'Could not find the function public.list_chat_threads' } }))
  const said = await page.evaluate(async () => {
    globalThis.mine = inbox()
    const told = []
    mine.subscribe(() => told.push(mine.getSnapshot().status))
    const { code, message } = await mine.open().catch((error) => error)
    await quiet()
    const { status, error } = mine.getSnapshot()
    return { code, message, status, kept: error.code, last: told.at(-1) }
  })
  assert.deepEqual({ ...said, message: '' }, { code: 'setup-missing', message: '', status: 'closed', kept: 'setup-missing', last: 'closed' })
  await page.unroute(LIST)
  await page.evaluate(() => live(mine).then(() => undefined))
  await shows(page, { unread: 1, threads: [[ana.mongoId, 1, 'them', 'hello', 'sent']] })
})

test('an inbox that was closed and dropped is freed', async (t) => {
  const { page, others: [ana] } = await visit(t, 1)
  await ana.says('hello')
  const cycles = async (/** @type {number} */ times) => {
    await page.evaluate(async (times) => {
      for (let n = 0; n < times; n++) {
        const mine = inbox()
        mine.subscribe(() => mine.getSnapshot())
        await mine.open()
        mine.close()
      }
      // Its storage, which is closed with it, has timers of 2 s.
      await quiet(2100)
    }, times)
    return held(page)
  }
  const early = await cycles(20)
  const late = await cycles(80)
  t.diagnostic(`${late.objects - early.objects} objects more after 80 inboxes`)
  assert.ok(late.objects - early.objects < NEW_OBJECTS, `${late.objects - early.objects} objects more after 80 inboxes`)
})
